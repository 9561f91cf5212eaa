using System.Text;
using System.Text.RegularExpressions;

namespace Batch.Inference.Tokenizers;

/// <summary>Rewrites a text before it is split.</summary>
/// <param name="text">Never empty, no lone surrogates.</param>
/// <param name="startsText">False for what follows an added token.</param>
internal delegate string TextEdit(string text, bool startsText);

/// <summary>Reads the normalizer of a tokenizer.json as edits in order.</summary>
internal static class TextEdits
{
    public static IEnumerable<TextEdit> Read(JsonPart normalizer)
    {
        var type = normalizer.Get("type").Text();
        return type switch
        {
            "Sequence" => normalizer.Get("normalizers").Items().SelectMany(Read),
            "NFC" => [Normalize(NormalizationForm.FormC)],
            "NFD" => [Normalize(NormalizationForm.FormD)],
            "NFKC" => [Normalize(NormalizationForm.FormKC)],
            "NFKD" => [Normalize(NormalizationForm.FormKD)],
            "Lowercase" => [(text, _) => text.ToLowerInvariant()],
            "Prepend" => [Prepend(normalizer.Get("prepend").Text())],
            "Replace" => [Replace(normalizer)],
            _ => throw normalizer.Unsupported("normalizer", type),
        };
    }

    public static TextEdit Prepend(string prefix) => (text, _) => prefix + text;

    private static TextEdit Normalize(NormalizationForm form) => (text, _) => text.Normalize(form);

    private static TextEdit Replace(JsonPart normalizer)
    {
        var regex = new Regex(normalizer.Get("pattern").Pattern(), RegexOptions.CultureInvariant);
        var content = normalizer.Get("content").Text().Replace("$", "$$", StringComparison.Ordinal);
        return (text, _) => regex.Replace(text, content);
    }
}
