using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine.Logits;

/// <summary>
/// DRY, "don't repeat yourself" (p-e-w, text-generation-webui pull request 5677; the matching is llama.cpp's): where the last n tokens stood before, the
/// token that followed them there loses multiplier · base ^ (n - allowed length). No match reaches over a sequence breaker, and breakers lose nothing.
/// </summary>
internal sealed class DryPenalty(SamplingParams sampling, IReadOnlySet<int> breakers) : LogitsProcessor
{
    private const float LargestLog = 88.7228391f; // of a float

    private readonly int _allowed = sampling.DryAllowedLength;
    private readonly int _largestExponent = sampling.DryBase <= 1.000001f ? int.MaxValue : (int)(LargestLog / MathF.Log(sampling.DryBase));

    /// <summary>The tokens whose text holds one of the strings.</summary>
    public static IReadOnlySet<int> FindBreakers(HfTokenizer tokenizer, IReadOnlyList<string> breakers)
    {
        var bytes = breakers.Select(Encoding.UTF8.GetBytes).ToArray();
        return Enumerable.Range(0, tokenizer.VocabularySize)
            .Where(id => Array.Exists(bytes, breaker => tokenizer.GetBytes(id).IndexOf(breaker) >= 0)).ToHashSet();
    }

    public override void Apply(Span<float> logits, Sequence sequence)
    {
        var tokens = CollectionsMarshal.AsSpan(sequence.Tokens);
        var longest = LongestMatch(tokens);
        if (longest < _allowed)
        {
            return;
        }
        var matches = ArrayPool<int>.Shared.Rent(tokens.Length);
        MatchSuffix(tokens, matches);
        var repeats = new Dictionary<int, int>(); // by the token that would lengthen them
        for (var end = 0; end < tokens.Length - 1; end++)
        {
            var length = Math.Min(matches[end], longest);
            if (length >= _allowed)
            {
                ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(repeats, tokens[end + 1], out _);
                known = Math.Max(known, length);
            }
        }
        ArrayPool<int>.Shared.Return(matches);
        foreach (var (token, length) in repeats)
        {
            if (token < logits.Length && !breakers.Contains(token))
            {
                logits[token] -= (float)(sampling.DryMultiplier * Math.Pow(sampling.DryBase, Math.Min(length - _allowed, _largestExponent)));
            }
        }
    }

    // The tokens since the last breaker.
    private int LongestMatch(ReadOnlySpan<int> tokens)
    {
        var length = 0;
        while (length < tokens.Length && !breakers.Contains(tokens[^(length + 1)]))
        {
            length++;
        }
        return length;
    }

    // For each position the length of the longest run that ends there and at the text's end alike: the Z-algorithm (Gusfield 1997), from the end.
    private static void MatchSuffix(ReadOnlySpan<int> tokens, Span<int> matches)
    {
        var last = tokens.Length - 1;
        var (left, right) = (0, 0); // the match that reaches furthest, [left, right) counted from the end
        for (var k = 1; k <= last; k++)
        {
            var length = k < right ? Math.Min(matches[last - (k - left)], right - k) : 0;
            while (k + length <= last && tokens[last - length] == tokens[last - k - length])
            {
                length++;
            }
            matches[last - k] = length;
            if (k + length > right)
            {
                (left, right) = (k, k + length);
            }
        }
    }
}
