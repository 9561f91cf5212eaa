using System.Buffers;
using System.Globalization;
using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>Cuts a text at added tokens: leftmost first, the longest of those that start there.</summary>
internal sealed class AddedTokenSplitter
{
    private readonly Dictionary<string, AddedToken> _tokens = [];
    private readonly Dictionary<string, AddedToken>.AlternateLookup<ReadOnlySpan<char>> _bySpan;
    private readonly Dictionary<char, int[]> _lengths; // of the tokens that start with a character, longest first
    private readonly SearchValues<char> _starts;

    public AddedTokenSplitter(IEnumerable<AddedToken> tokens)
    {
        foreach (var token in tokens.Where(t => t.Content.Length > 0))
        {
            _tokens[token.Content] = token;
        }
        _bySpan = _tokens.GetAlternateLookup<ReadOnlySpan<char>>();
        _lengths = _tokens.Keys.GroupBy(content => content[0]).ToDictionary(
            group => group.Key, group => group.Select(content => content.Length).Distinct().OrderDescending().ToArray());
        _starts = SearchValues.Create([.. _lengths.Keys]);
    }

    /// <summary>A stretch of the text: an added token, or ordinary text where <see cref="Token"/> is null.</summary>
    public readonly record struct Segment(int Start, int Length, AddedToken? Token);

    public bool IsEmpty => _tokens.Count == 0;

    public List<Segment> Split(string text)
    {
        var segments = new List<Segment>();
        var done = 0;
        for (var at = 0; at < text.Length;)
        {
            var skipped = text.AsSpan(at).IndexOfAny(_starts);
            if (skipped < 0)
            {
                break;
            }
            at += skipped;
            if (Longest(text.AsSpan(at)) is not { } token)
            {
                at++;
                continue;
            }
            var (start, end) = (at, at + token.Content.Length);
            at = end;
            if (token.SingleWord && TouchesWord(text, start, end))
            {
                continue;
            }
            while (token.LeftStrip && start > done && char.IsWhiteSpace(text[start - 1]))
            {
                start--;
            }
            while (token.RightStrip && end < text.Length && char.IsWhiteSpace(text[end]))
            {
                end++;
            }
            AddText(segments, done, start);
            segments.Add(new Segment(start, end - start, token));
            at = done = end;
        }
        AddText(segments, done, text.Length);
        return segments;
    }

    private AddedToken? Longest(ReadOnlySpan<char> text)
    {
        foreach (var length in _lengths[text[0]])
        {
            if (length <= text.Length && _bySpan.TryGetValue(text[..length], out var token))
            {
                return token;
            }
        }
        return null;
    }

    private static void AddText(List<Segment> segments, int start, int end)
    {
        if (end > start)
        {
            segments.Add(new Segment(start, end - start, null));
        }
    }

    private static bool TouchesWord(string text, int start, int end)
    {
        Rune.DecodeLastFromUtf16(text.AsSpan(0, start), out var before, out _);
        Rune.DecodeFromUtf16(text.AsSpan(end), out var after, out _);
        return (start > 0 && IsWord(before)) || (end < text.Length && IsWord(after));
    }

    // \w as Unicode defines it for regular expressions (UTS 18): letters, marks, decimal digits, connectors and the joiners.
    private static bool IsWord(Rune rune) => rune.Value is 0x200C or 0x200D || Rune.IsLetter(rune) || Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;
}
