using System.Globalization;
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
            "Lowercase" => [Lowercase],
            "Prepend" => [Prepend(normalizer.Get("prepend").Text())],
            "Replace" => [Replace(normalizer)],
            "Strip" => [Strip(normalizer.Flag("strip_left", true), normalizer.Flag("strip_right", true))],
            "StripAccents" => [StripAccents],
            "BertNormalizer" => BertText.Edits(
                normalizer.Flag("clean_text", true),
                normalizer.Flag("handle_chinese_chars", true),
                normalizer.Find("strip_accents") is null ? null : normalizer.Flag("strip_accents", true),
                normalizer.Flag("lowercase", true)),
            _ => throw normalizer.Unsupported("normalizer", type),
        };
    }

    public static TextEdit Prepend(string prefix) => (text, _) => prefix + text;

    /// <summary>Lower case character by character: the one capital whose small letter is two characters is written out first.</summary>
    public static string Lowercase(string text, bool startsText) => text.Replace("\u0130", "i\u0307", StringComparison.Ordinal).ToLowerInvariant();

    /// <summary>Takes combining marks away; composed letters keep theirs unless they are decomposed first.</summary>
    public static string StripAccents(string text, bool startsText) =>
        FilterRunes(text, rune => Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark);

    public static TextEdit Normalize(NormalizationForm form) => (text, _) => Normalize(text, form);

    // .NET refuses to normalize a text with U+FFFE in it; as a noncharacter it combines with nothing, so the text may be cut there.
    private static string Normalize(string text, NormalizationForm form) => text.Contains('\uFFFE', StringComparison.Ordinal)
        ? string.Join('\uFFFE', text.Split('\uFFFE').Select(part => part.Normalize(form)))
        : text.Normalize(form);

    public static string FilterRunes(string text, Func<Rune, bool> keep)
    {
        var kept = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (keep(rune))
            {
                kept.Append(rune);
            }
        }
        return kept.ToString();
    }

    private static TextEdit Strip(bool left, bool right) => (text, _) =>
    {
        text = left ? text.TrimStart() : text;
        return right ? text.TrimEnd() : text;
    };

    private static TextEdit Replace(JsonPart normalizer)
    {
        var content = normalizer.Get("content").Text();
        if (normalizer.Get("pattern").Find("String") is { } literal && literal.Text() is { Length: > 0 } old)
        {
            return (text, _) => text.Replace(old, content, StringComparison.Ordinal);
        }
        var regex = new Regex(normalizer.Get("pattern").Pattern(), RegexOptions.CultureInvariant, SplitStep.Patience);
        var replacement = content.Replace("$", "$$", StringComparison.Ordinal);
        return (text, _) => regex.Replace(text, replacement);
    }
}
