namespace Batch.Inference.Engine;

/// <summary>A token as it was drawn.</summary>
/// <param name="Id">The token.</param>
/// <param name="Entropy">Of the distribution it was drawn from, in nats, where interventions look at it; else 0.</param>
/// <param name="Logprobs">Where the request asks for them.</param>
public readonly record struct DrawnToken(int Id, double Entropy, TokenLogprobs? Logprobs);

/// <summary>
/// A text as far as it is written: every token drawn for it, those that a rollback took back included. A <see cref="GenerationRequest"/> goes on from it
/// exactly: noise follows from the number of draws, and the text, its stop strings, structured output, penalties and what interventions did follow from the
/// draws when they are gone through again.
/// </summary>
/// <param name="Drawn">In order.</param>
public sealed record GenerationCheckpoint(IReadOnlyList<DrawnToken> Drawn)
{
    /// <summary>Of the prompt's tokens, where the request asks for them.</summary>
    public IReadOnlyList<TokenLogprobs>? PromptLogprobs { get; init; }

    /// <summary>Tokens of the prompt that the first run found computed.</summary>
    public int CachedTokens { get; init; }
}

/// <summary>Keeps of a text's updates what a checkpoint needs. For one thread at a time.</summary>
public sealed class CheckpointRecorder
{
    private readonly List<DrawnToken> _drawn = [];
    private IReadOnlyList<TokenLogprobs>? _promptLogprobs;
    private int _cachedTokens;

    /// <summary>Tokens drawn so far.</summary>
    public int Draws => _drawn.Count;

    /// <summary>Takes the text's next update.</summary>
    public void Add(GenerationUpdate update)
    {
        if (update.Drawn is { } drawn)
        {
            _drawn.Add(drawn);
            _cachedTokens = update.CachedTokens;
            _promptLogprobs ??= update.PromptLogprobs;
        }
    }

    /// <summary>The text as far as it was told.</summary>
    public GenerationCheckpoint Take() => new([.. _drawn]) { PromptLogprobs = _promptLogprobs, CachedTokens = _cachedTokens };
}
