using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>From ordinary text, between added tokens, to ids: normalize, find normalized added tokens, split, merge.</summary>
/// <param name="normalizer">Rewrites the text; what it gives, normalized added tokens are looked for in.</param>
/// <param name="edits">Rewrite what lies between those.</param>
/// <param name="preTokenizer">Splits it into pieces.</param>
/// <param name="model">Turns pieces into ids.</param>
internal sealed class TextEncoder(
    IReadOnlyList<TextEdit> normalizer, IReadOnlyList<TextEdit> edits, PreTokenizer preTokenizer, ITokenModel model)
{
    public string Normalize(string text, bool startsText) => Apply(normalizer, text, startsText);

    /// <param name="text">No lone surrogates.</param>
    /// <param name="startsText">Nothing comes before it.</param>
    /// <param name="normalizedTokens">Added tokens of the normalized text.</param>
    /// <param name="ids">Gets the ids.</param>
    public void Encode(string text, bool startsText, AddedTokenSplitter normalizedTokens, List<int> ids)
    {
        text = Normalize(text, startsText);
        if (normalizedTokens.IsEmpty)
        {
            EncodePlain(text, startsText, ids);
            return;
        }
        foreach (var (start, length, token) in normalizedTokens.Split(text))
        {
            if (token is not null)
            {
                ids.Add(token.Id);
            }
            else
            {
                EncodePlain(text.Substring(start, length), startsText && start == 0, ids);
            }
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

    private void EncodePlain(string text, bool startsText, List<int> ids)
    {
        text = Apply(edits, text, startsText);
        if (text.Length == 0)
        {
            return;
        }
        foreach (var (start, length) in preTokenizer.Split(text))
        {
            model.Encode(text.AsSpan(start, length), ids);
        }
    }

    private static string Apply(IReadOnlyList<TextEdit> edits, string text, bool startsText)
    {
        foreach (var edit in edits)
        {
            if (text.Length > 0)
            {
                text = edit(text, startsText);
            }
        }
        return text;
    }
}
