using System.Globalization;
using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>What BERT's tokenizers do to a text before words are looked up (Devlin et al. 2018; Hugging Face's BertNormalizer and BertPreTokenizer).</summary>
internal static class BertText
{
    /// <summary>Punctuation, as which ASCII symbols count, too.</summary>
    public const string PunctuationPattern = @"[!-/:-@\[-`{-~\p{P}]";

    /// <summary>Splits at white space, which goes, and at punctuation, each sign of which is a piece.</summary>
    public static IReadOnlyList<SplitStep> Split { get; } =
    [
        new SplitStep(@"\s", SplitBehavior.Removed, invert: false),
        new SplitStep(PunctuationPattern, SplitBehavior.Isolated, invert: false),
    ];

    /// <param name="cleanText">Drops control characters, tab and line ends excepted, and makes all white space spaces.</param>
    /// <param name="spaceChinese">Puts spaces around Chinese characters.</param>
    /// <param name="stripAccents">Drops accents; where it is not said, lower case does.</param>
    /// <param name="lowercase">Makes letters small.</param>
    public static IReadOnlyList<TextEdit> Edits(bool cleanText, bool spaceChinese, bool? stripAccents, bool lowercase)
    {
        var edits = new List<TextEdit>();
        if (cleanText)
        {
            edits.Add(Clean);
        }
        if (spaceChinese)
        {
            edits.Add(SpaceChinese);
        }
        if (stripAccents ?? lowercase)
        {
            edits.AddRange([TextEdits.Normalize(NormalizationForm.FormD), TextEdits.StripAccents]);
        }
        if (lowercase)
        {
            edits.Add(TextEdits.Lowercase);
        }
        return edits;
    }

    private static string Clean(string text, bool startsText)
    {
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is '\t' or '\n' or '\r')
            {
                clean.Append(' ');
            }
            else if (rune != Rune.ReplacementChar && !IsControl(rune))
            {
                clean.Append(Rune.IsWhiteSpace(rune) ? new Rune(' ') : rune);
            }
        }
        return clean.ToString();
    }

    private static string SpaceChinese(string text, bool startsText)
    {
        var spaced = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsChinese(rune.Value))
            {
                spaced.Append(' ').Append(rune).Append(' ');
            }
            else
            {
                spaced.Append(rune);
            }
        }
        return spaced.ToString();
    }

    private static bool IsControl(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;

    // The blocks of CJK ideographs; kana and hangul are words with letters. Extension E begins at U+2B820, but the reference implementation
    // begins at U+2B920, and ids must be its.
    private static bool IsChinese(int c) => c
        is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
        or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
