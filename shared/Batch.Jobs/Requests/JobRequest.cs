using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;

namespace Batch.Jobs.Requests;

/// <summary>What a caller asks for, checked: exactly one of <see cref="Prompt"/> and <see cref="Messages"/> is set.</summary>
public sealed record JobRequest
{
    /// <summary>The caller's own id; submitting it again with the same content gives the same job.</summary>
    public string? Id { get; init; }

    /// <summary>Null takes the caller's.</summary>
    public string? Tenant { get; init; }

    /// <summary>Null takes the configured model.</summary>
    public string? Model { get; init; }

    public string? Prompt { get; init; }

    /// <summary>The roles are system, user and assistant.</summary>
    public IReadOnlyList<ChatMessage>? Messages { get; init; }

    public JobParameters Parameters { get; init; } = new();

    public string? WebhookUrl { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>Higher is admitted to the batch first.</summary>
    public int Priority { get; init; }

    /// <summary>Not started earlier.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Expired when not finished by then; the text so far is kept.</summary>
    public DateTimeOffset? Deadline { get; init; }
}

/// <summary>
/// The sampling parameters as given, under vLLM's names; null where the caller left the choice to the model or to
/// <see cref="SamplingParams"/>.
/// </summary>
public sealed record JobParameters
{
    public int? MaxTokens { get; init; }

    public int? MinTokens { get; init; }

    public float? Temperature { get; init; }

    public int? TopK { get; init; }

    public float? TopP { get; init; }

    public float? MinP { get; init; }

    public float? RepetitionPenalty { get; init; }

    public ulong? Seed { get; init; }

    public IReadOnlyList<string>? Stop { get; init; }

    public bool? IgnoreEos { get; init; }

    /// <summary>
    /// The parameters in effect: these where given, else <paramref name="defaults"/>. Throws <see cref="InvalidJobException"/> when out of
    /// range.
    /// </summary>
    public SamplingParams Over(SamplingParams defaults)
    {
        var sampling = defaults with
        {
            MaxTokens = MaxTokens ?? defaults.MaxTokens,
            MinTokens = MinTokens ?? defaults.MinTokens,
            Temperature = Temperature ?? defaults.Temperature,
            TopK = TopK ?? defaults.TopK,
            TopP = TopP ?? defaults.TopP,
            MinP = MinP ?? defaults.MinP,
            RepetitionPenalty = RepetitionPenalty ?? defaults.RepetitionPenalty,
            Seed = Seed ?? defaults.Seed,
            Stop = Stop ?? defaults.Stop,
            IgnoreEos = IgnoreEos ?? defaults.IgnoreEos,
        };
        try
        {
            return sampling.Validate();
        }
        catch (ArgumentException e)
        {
            var message = e.Message.Replace($" (Parameter '{e.ParamName}')", "", StringComparison.Ordinal);
            throw new InvalidJobException(JobErrorCode.InvalidRequest, message, e.ParamName);
        }
    }
}
