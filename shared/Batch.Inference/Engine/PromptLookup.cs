using System.Runtime.InteropServices;

namespace Batch.Inference.Engine;

/// <summary>
/// Guesses a text's next tokens: what followed where its last few tokens stood before, in prompt or text (prompt lookup decoding, Saxena 2023; vLLM's ngram
/// method). A guess costs rows of a step, so it grows while guesses come true and is made ever less often while they do not. One for a sequence; the engine
/// thread owns it.
/// </summary>
/// <param name="mostTokens">Of one guess.</param>
/// <param name="longestNgram">The longest run of last tokens to look for; shorter ones, down to 2, are looked for where it is not found.</param>
/// <param name="longest">Tokens that prompt and text may have: nothing is guessed beyond.</param>
internal sealed class PromptLookup(int mostTokens, int longestNgram, int longest)
{
    private const int ShortestNgram = 2;
    private const int FirstGuess = 4;
    private const int LongestPause = 63;

    private int _length = Math.Min(FirstGuess, mostTokens);
    private double _accuracy = 1; // of late
    private int _pause; // after the last guess
    private int _skipped; // since then

    /// <summary>Guesses what follows these tokens; nothing where they did not stand before.</summary>
    /// <param name="most">So many tokens at most.</param>
    /// <param name="worth">Which share of its tokens must be right for a guess to pay.</param>
    public ReadOnlyMemory<int> Guess(List<int> tokens, int most, double worth = 0)
    {
        var length = Math.Min(Math.Min(_length, most), longest - tokens.Count - 1);
        if (length <= 0 || _skipped++ < (_accuracy < worth ? LongestPause : _pause))
        {
            return default;
        }
        var known = CollectionsMarshal.AsSpan(tokens);
        var start = Find(known);
        if (start < 0)
        {
            return default;
        }
        // Beyond the last token it goes on with itself: a text that repeats itself is guessed for as long as is wanted.
        var guess = new int[length];
        for (var i = 0; i < length; i++)
        {
            guess[i] = start + i < known.Length ? known[start + i] : guess[start + i - known.Length];
        }
        return guess;
    }

    /// <summary>How the last guess went.</summary>
    public void Observe(int guessed, int right)
    {
        _skipped = 0;
        _accuracy = (_accuracy + (double)right / guessed) / 2;
        _pause = right > 0 ? 0 : Math.Min(2 * _pause + 1, LongestPause);
        _length = right == guessed ? Math.Min(2 * Math.Max(_length, 1), mostTokens) : Math.Max(right, 1);
    }

    // Where the tokens go on after the latest earlier place of the longest of their endings; -1 where none stood before.
    private int Find(ReadOnlySpan<int> tokens)
    {
        var before = tokens[..^1];
        for (var size = Math.Min(longestNgram, before.Length); size >= ShortestNgram; size--)
        {
            if (before.LastIndexOf(tokens[^size..]) is >= 0 and var at)
            {
                return at + size;
            }
        }
        return -1;
    }
}
