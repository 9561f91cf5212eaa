using System.Globalization;
using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>
/// .NET's Regex sees UTF-16 units, so \p{L} misses letters beyond U+FFFF. Patterns therefore run on a copy of the text in which each
/// such rune is one character of the same Unicode category, and offsets are mapped back.
/// </summary>
internal static class AstralStandIns
{
    // One character per UnicodeCategory, in the enum's order, none of which a split pattern names by itself.
    private const string Characters =
        "\u0100\u0101\u01C5\u02B0\u01BB\u0483\u0903\u0488\u09E6\u16EE\u09F4\u2000\u2028\u2029\u0080\u2060\uFFFD\uE000"
        + "\u203F\u2010\u207D\u207E\u00AB\u00BB\u2016\u2200\u20A0\u02C2\u2300\u0378";

    /// <summary>
    /// The text to match on, and for each of its characters and its end the offset in <paramref name="text"/>; null where both are the same.
    /// </summary>
    public static (string Text, int[]? Offsets) Replace(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            return (text, null);
        }
        var standIn = new StringBuilder(text.Length);
        var offsets = new int[text.Length + 1];
        var offset = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            offsets[standIn.Length] = offset;
            standIn.Append(rune.IsBmp ? (char)rune.Value : Characters[(int)CharUnicodeInfo.GetUnicodeCategory(rune.Value)]);
            offset += rune.Utf16SequenceLength;
        }
        offsets[standIn.Length] = offset;
        return (standIn.ToString(), offsets);
    }
}
