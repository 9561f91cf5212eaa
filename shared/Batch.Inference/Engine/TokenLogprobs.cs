namespace Batch.Inference.Engine;

/// <summary>A token and the natural logarithm of its probability.</summary>
public readonly record struct TokenLogprob(int TokenId, float Logprob);

/// <summary>What the model made of one token, in its own distribution: before penalties, temperature and truncation.</summary>
/// <param name="TokenId">The token that stands there.</param>
/// <param name="Logprob">Its log probability.</param>
/// <param name="Rank">1 for the most likely; equals share a rank.</param>
/// <param name="Top">The most likely tokens, best first, of equals the lower id.</param>
public sealed record TokenLogprobs(int TokenId, float Logprob, int Rank, IReadOnlyList<TokenLogprob> Top);

/// <summary>What a row of logits gave.</summary>
/// <param name="Id">The token; negative where none could be chosen, as <see cref="SampledToken.Failure"/> says.</param>
/// <param name="Logprobs">Where the request asks for them.</param>
internal readonly record struct SampledToken(int Id, TokenLogprobs? Logprobs)
{
    /// <summary>Of the row as the model gave it, in nats, where the request's interventions ask for it.</summary>
    public double Entropy { get; init; }

    /// <summary>The logits hold NaN or infinity.</summary>
    public static readonly SampledToken NotFinite = new(-1, null);

    /// <summary>No token is allowed.</summary>
    public static readonly SampledToken NoneAllowed = new(-2, null);

    /// <summary>Why there is no token; null when there is.</summary>
    public string? Failure => Id switch
    {
        >= 0 => null,
        -1 => "the model gave logits that are no numbers (NaN or infinity)",
        _ => "no token may follow: allowed_token_ids, bad_words, no_repeat_ngram_size, min_tokens and the structured output together rule out every one",
    };
}
