using System.Collections.Concurrent;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine.Logits;

/// <summary>
/// Makes the processors that a request's parameters ask for, in vLLM's order (vllm/v1/sample/sampler.py): allowed tokens, bad words, minimum length, bias,
/// then penalties. No_repeat_ngram_size, which is not vLLM's, goes with the bans, DRY before the penalties. One for an engine; any thread.
/// </summary>
internal sealed class LogitsProcessors(HfTokenizer tokenizer, IReadOnlyCollection<int> endOfText)
{
    private const int MostBreakerSets = 64;

    private readonly ConcurrentDictionary<string, IReadOnlySet<int>> _breakers = [];

    public IReadOnlyList<LogitsProcessor> Create(SamplingParams sampling)
    {
        var processors = new List<LogitsProcessor>();
        if (sampling.AllowedTokenIds is { } allowed)
        {
            processors.Add(new AllowedTokens(allowed));
        }
        if (sampling.BadWords.Count > 0)
        {
            processors.Add(new BadWords(sampling.BadWords, tokenizer));
        }
        if (sampling.NoRepeatNgramSize > 0)
        {
            processors.Add(new NoRepeatNgram(sampling.NoRepeatNgramSize));
        }
        if (sampling.MinTokens > 0)
        {
            processors.Add(new MinTokens(sampling.MinTokens, [.. endOfText, .. sampling.StopTokenIds]));
        }
        if (sampling.LogitBias is { Count: > 0 } bias)
        {
            processors.Add(new LogitBias(bias));
        }
        if (sampling.DryMultiplier > 0f)
        {
            processors.Add(new DryPenalty(sampling, BreakersOf(sampling.DrySequenceBreakers)));
        }
        if (Penalties.AskedFor(sampling))
        {
            processors.Add(new Penalties(sampling));
        }
        return processors;
    }

    // The search through the vocabulary takes milliseconds, and most requests ask for the same.
    private IReadOnlySet<int> BreakersOf(IReadOnlyList<string> breakers)
    {
        var key = string.Join('\0', breakers);
        if (_breakers.TryGetValue(key, out var known))
        {
            return known;
        }
        var found = DryPenalty.FindBreakers(tokenizer, breakers);
        if (_breakers.Count < MostBreakerSets)
        {
            _breakers[key] = found;
        }
        return found;
    }
}
