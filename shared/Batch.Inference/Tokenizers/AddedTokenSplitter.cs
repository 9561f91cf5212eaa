using System.Text.RegularExpressions;

namespace Batch.Inference.Tokenizers;

/// <summary>Cuts a text at added tokens: leftmost first, the longest of those that start there.</summary>
internal sealed class AddedTokenSplitter
{
    private readonly Dictionary<string, AddedToken> _tokens = [];
    private readonly Regex? _pattern;

    public AddedTokenSplitter(IEnumerable<AddedToken> tokens)
    {
        foreach (var token in tokens.Where(t => t.Content.Length > 0))
        {
            _tokens[token.Content] = token;
        }
        if (_tokens.Count > 0)
        {
            var longestFirst = _tokens.Keys.OrderByDescending(content => content.Length).Select(Regex.Escape);
            _pattern = new Regex(string.Join('|', longestFirst), RegexOptions.CultureInvariant);
        }
    }

    /// <summary>A stretch of the text: an added token, or ordinary text where <see cref="Token"/> is null.</summary>
    public readonly record struct Segment(int Start, int Length, AddedToken? Token);

    public List<Segment> Split(string text)
    {
        var segments = new List<Segment>();
        var done = 0;
        if (_pattern is not null)
        {
            foreach (var match in _pattern.EnumerateMatches(text))
            {
                var (start, end) = (match.Index, match.Index + match.Length);
                var token = _tokens[text.Substring(start, match.Length)];
                if (start < done || (token.SingleWord && TouchesWord(text, start, end)))
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
                done = end;
            }
        }
        AddText(segments, done, text.Length);
        return segments;
    }

    private static void AddText(List<Segment> segments, int start, int end)
    {
        if (end > start)
        {
            segments.Add(new Segment(start, end - start, null));
        }
    }

    private static bool TouchesWord(string text, int start, int end) =>
        (start > 0 && IsWord(text[start - 1])) || (end < text.Length && IsWord(text[end]));

    private static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_';
}
