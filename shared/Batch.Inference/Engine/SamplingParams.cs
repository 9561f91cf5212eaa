namespace Batch.Inference.Engine;

/// <summary>
/// How the next token is chosen and when a text ends. Names, meanings and defaults are vLLM's, but for <see cref="MaxTokens"/>, which is 256.
/// Call <see cref="Validate"/> once at the edge; the engine trusts what it gets.
/// </summary>
public sealed record SamplingParams
{
    /// <summary>Most tokens to generate, at least 1.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>No end-of-text token and no stop string ends the text before this many tokens; at most <see cref="MaxTokens"/>.</summary>
    public int MinTokens { get; init; }

    /// <summary>Divides the logits, 0 to 2. At 0 the most likely token is taken (greedy).</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Keep the k most likely tokens; 0 or -1 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keep the smallest set of most likely tokens whose probability reaches p, in (0, 1] (Holtzman et al. 2019).</summary>
    public float TopP { get; init; } = 1f;

    /// <summary>Drop tokens less likely than this share of the most likely one, in [0, 1] (Nguyen et al. 2024).</summary>
    public float MinP { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens already in prompt or text, in (0, 2] (Keskar et al. 2019).</summary>
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>Fixes the noise of every position: the same seed, prompt and parameters give the same text. Null lets the engine draw one from the request id.</summary>
    public ulong? Seed { get; init; }

    /// <summary>The text ends before the first of these; none of their characters reaches the caller. At most 16, none empty.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Goes on past the model's end-of-text token.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Throws <see cref="ArgumentException"/> that names the first parameter out of range, what it was and what is allowed.</summary>
    public SamplingParams Validate()
    {
        Require(MaxTokens >= 1, "max_tokens", MaxTokens, "at least 1");
        Require(MinTokens >= 0 && MinTokens <= MaxTokens, "min_tokens", MinTokens, $"from 0 to max_tokens ({MaxTokens})");
        Require(Temperature is >= 0f and <= 2f, "temperature", Temperature, "from 0 to 2");
        Require(TopK >= -1, "top_k", TopK, "at least 1, or 0 or -1 for all tokens");
        Require(TopP is > 0f and <= 1f, "top_p", TopP, "above 0 and at most 1");
        Require(MinP is >= 0f and <= 1f, "min_p", MinP, "from 0 to 1");
        Require(RepetitionPenalty is > 0f and <= 2f, "repetition_penalty", RepetitionPenalty, "above 0 and at most 2");
        Require(Stop.Count <= 16, "stop", $"{Stop.Count} strings", "at most 16 strings");
        Require(!Stop.Any(string.IsNullOrEmpty), "stop", "an empty string", "non-empty strings");
        return this;
    }

    private static void Require(bool holds, string name, object seen, string wanted)
    {
        if (!holds)
        {
            throw new ArgumentException(FormattableString.Invariant($"{name} must be {wanted}, was {seen}"), name);
        }
    }
}
