using System.Text.RegularExpressions;

namespace Batch.Inference.Tokenizers;

/// <summary>What becomes of a match when a text is split; Hugging Face's SplitDelimiterBehavior.</summary>
internal enum SplitBehavior
{
    Isolated,
    Removed,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>One splitting of a text at the matches of a pattern.</summary>
/// <param name="pattern">A regular expression.</param>
/// <param name="behavior">What becomes of a match.</param>
/// <param name="invert">What lies between the matches counts as the match.</param>
internal sealed class SplitStep(string pattern, SplitBehavior behavior, bool invert)
{
    // For one match, which takes microseconds unless the pattern goes back and forth without end.
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Regex _regex = new(pattern, RegexOptions.CultureInvariant | RegexOptions.Compiled, Patience);

    /// <summary>Adds the pieces of text[start .. start + length] to <paramref name="pieces"/>, in order; none is empty.</summary>
    public void Split(string text, int start, int length, List<(int Start, int Length)> pieces)
    {
        var cuts = Cut(text.AsSpan(start, length));
        for (var i = 0; i < cuts.Count; i++)
        {
            var (from, to, isMatch) = cuts[i];
            switch (behavior)
            {
                case SplitBehavior.Removed when isMatch:
                    continue;
                case SplitBehavior.MergedWithPrevious when !isMatch && i + 1 < cuts.Count && cuts[i + 1].IsMatch:
                case SplitBehavior.MergedWithNext when isMatch && i + 1 < cuts.Count && !cuts[i + 1].IsMatch:
                    to = cuts[++i].To;
                    break;
                case SplitBehavior.Contiguous:
                    while (i + 1 < cuts.Count && cuts[i + 1].IsMatch == isMatch)
                    {
                        to = cuts[++i].To;
                    }
                    break;
            }
            pieces.Add((start + from, to - from));
        }
    }

    /// <summary>Matches and the gaps between them; two gaps never follow each other.</summary>
    private List<(int From, int To, bool IsMatch)> Cut(ReadOnlySpan<char> text)
    {
        var cuts = new List<(int From, int To, bool IsMatch)>();
        var done = 0;
        foreach (var match in _regex.EnumerateMatches(text))
        {
            if (match.Length == 0)
            {
                continue;
            }
            if (match.Index > done)
            {
                cuts.Add((done, match.Index, invert));
            }
            done = match.Index + match.Length;
            cuts.Add((match.Index, done, !invert));
        }
        if (done < text.Length)
        {
            cuts.Add((done, text.Length, invert));
        }
        return cuts;
    }
}
