using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>From ordinary text, between added tokens, to ids: edit, split, merge.</summary>
internal sealed class TextEncoder(IReadOnlyList<TextEdit> edits, PreTokenizer preTokenizer, ITokenModel model)
{
    public void Encode(string text, bool startsText, List<int> ids)
    {
        foreach (var edit in edits)
        {
            if (text.Length > 0)
            {
                text = edit(text, startsText);
            }
        }
        if (text.Length == 0)
        {
            return;
        }
        foreach (var (start, length) in preTokenizer.Split(text))
        {
            model.Encode(text.AsSpan(start, length), ids);
        }
    }

    /// <summary>Lone surrogates are no text: each becomes U+FFFD, as it would in UTF-8.</summary>
    public static string ReplaceLoneSurrogates(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            return text;
        }
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            clean.Append(rune);
        }
        return clean.ToString();
    }
}
