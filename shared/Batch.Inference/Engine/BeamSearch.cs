namespace Batch.Inference.Engine;

/// <summary>A text that a beam search found.</summary>
/// <param name="TokenIds">Its tokens, the one that ended it included.</param>
/// <param name="Score">Its log probability over its length to the power of length_penalty.</param>
/// <param name="FinishReason">Stop, length or cancelled.</param>
/// <param name="StopReason">The stop token, where it was not the model's own end of text.</param>
internal sealed record Beam(IReadOnlyList<int> TokenIds, double Score, FinishReason FinishReason, StopReason? StopReason);

/// <summary>
/// Beam search as transformers' generate does it with num_beams, length_penalty and early_stopping: in each step the likeliest continuations of all beams go
/// on, twice as many are looked at, and those among the first that end are kept aside. Each beam is a request of one token to the engine; what they begin
/// alike with lies in its prefix cache.
/// </summary>
internal sealed class BeamSearch(LlmEngine engine, GenerationRequest request)
{
    private readonly SamplingParams _sampling = request.Sampling;
    private readonly List<Beam> _ended = [];

    private int Beams => _sampling.NumBeams;

    /// <summary>The best n texts, best first.</summary>
    /// <param name="progress">Told of each step: how many tokens long the beams are.</param>
    /// <param name="cancellationToken">Ends the search; the beams so far stand.</param>
    /// <exception cref="GenerationRefusedException">The parameters leave no token to begin with.</exception>
    public async Task<IReadOnlyList<Beam>> RunAsync(Action<int>? progress, CancellationToken cancellationToken)
    {
        var room = engine.Model.ContextLength - request.PromptTokenIds.Count;
        var longest = Math.Min(_sampling.MaxTokens ?? room, room);
        List<Open> open = [new([], 0)];
        for (var length = 1; length <= longest && open.Count > 0; length++)
        {
            var steps = await Task.WhenAll(open.Select(beam => StepAsync(beam, cancellationToken)));
            if (cancellationToken.IsCancellationRequested)
            {
                return Best(open, FinishReason.Cancelled);
            }
            var candidates = steps.SelectMany(step => step).OrderByDescending(next => next.LogProbability).Take(2 * Beams).ToList();
            open = GoOn(candidates, length);
            progress?.Invoke(length);
            if (candidates.Count > 0 && IsDone(candidates[0].LogProbability, length, longest))
            {
                open = [];
            }
        }
        return Best(open, FinishReason.Length);
    }

    private double Score(double logProbability, int length) => logProbability / Math.Pow(length, _sampling.LengthPenalty);

    // The likeliest next tokens of a beam.
    private async Task<IEnumerable<Open>> StepAsync(Open beam, CancellationToken cancellationToken)
    {
        var step = request with
        {
            PromptTokenIds = [.. request.PromptTokenIds, .. beam.Tokens],
            Sampling = _sampling with { NumBeams = 1, N = 1, MaxTokens = beam.Tokens.Length + 1, Echo = false },
            TextTokens = beam.Tokens.Length,
            BeamCandidates = 2 * Beams,
        };
        IReadOnlyList<TokenLogprob> next = [];
        await foreach (var update in engine.GenerateAsync(step, cancellationToken))
        {
            next = update.Logprobs?.Top ?? next;
        }
        return next.Select(token => new Open([.. beam.Tokens, token.TokenId], beam.LogProbability + token.Logprob));
    }

    // Sets those aside that end, and takes the best of the others on.
    private List<Open> GoOn(List<Open> candidates, int length)
    {
        var open = new List<Open>(Beams);
        for (var rank = 0; rank < candidates.Count && open.Count < Beams; rank++)
        {
            var (tokens, logProbability) = candidates[rank];
            if (!Ends(tokens[^1], out var stopReason))
            {
                open.Add(candidates[rank]);
            }
            else if (rank < Beams)
            {
                _ended.Add(new Beam(tokens, Score(logProbability, length), FinishReason.Stop, stopReason));
            }
        }
        _ended.Sort((a, b) => b.Score.CompareTo(a.Score));
        _ended.RemoveRange(Math.Min(Beams, _ended.Count), Math.Max(0, _ended.Count - Beams));
        return open;
    }

    private bool Ends(int token, out StopReason? stopReason)
    {
        stopReason = engine.EndOfText.Contains(token) && !_sampling.IgnoreEos ? null : new StopReason(null, token);
        return stopReason is null || _sampling.StopTokenIds.Contains(token);
    }

    private bool IsDone(double best, int length, int longest) => _ended.Count == Beams && _sampling.EarlyStopping switch
    {
        EarlyStopping.True => true,
        EarlyStopping.False => _ended[^1].Score >= Score(best, length),
        _ => _ended[^1].Score >= Score(best, _sampling.LengthPenalty > 0 ? longest : length),
    };

    private List<Beam> Best(List<Open> open, FinishReason reason)
    {
        var all = _ended.Concat(open.Select(beam => new Beam(beam.Tokens, Score(beam.LogProbability, Math.Max(1, beam.Tokens.Length)), reason, null)))
            .OrderByDescending(beam => beam.Score).Take(_sampling.N).ToList();
        return all.Count > 0 ? all : throw new GenerationRefusedException(SampledToken.NoneAllowed.Failure!);
    }

    private sealed record Open(int[] Tokens, double LogProbability);
}
