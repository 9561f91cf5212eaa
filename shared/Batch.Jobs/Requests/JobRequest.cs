using System.Text.Json.Serialization;
using Batch.Inference.Tokenizers;

namespace Batch.Jobs.Requests;

/// <summary>What a caller asks for, checked: exactly one of <see cref="Prompt"/>, <see cref="Messages"/> and <see cref="PromptTokenIds"/> is set.</summary>
public sealed record JobRequest
{
    /// <summary>The caller's own id; submitting it again with the same content gives the same job.</summary>
    public string? Id { get; init; }

    /// <summary>Null takes the caller's.</summary>
    public string? Tenant { get; init; }

    /// <summary>Null takes the configured model.</summary>
    public string? Model { get; init; }

    /// <summary><see cref="JobKind.FillMask"/>; null generates.</summary>
    public string? Kind { get; init; }

    /// <summary>The text to continue.</summary>
    public string? Prompt { get; init; }

    /// <summary>The roles are system, user and assistant.</summary>
    public IReadOnlyList<ChatMessage>? Messages { get; init; }

    /// <summary>The prompt as tokens of the model, each at least 0.</summary>
    public IReadOnlyList<int>? PromptTokenIds { get; init; }

    /// <summary>The words to rank for a blank; null ranks all tokens.</summary>
    public IReadOnlyList<string>? Targets { get; init; }

    public JobParameters Parameters { get; init; } = new();

    /// <summary>Told of its end.</summary>
    public string? WebhookUrl { get; init; }

    /// <summary>Up to 16 pairs; come back in job, result and event.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>Higher is admitted to the batch first.</summary>
    public int Priority { get; init; }

    /// <summary>Not started earlier.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Expired when not finished by then; the text so far is kept.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>What OpenTelemetry's conventions for generative AI call it; they have no word for filling blanks.</summary>
    [JsonIgnore]
    public string Operation => Kind == JobKind.FillMask ? "fill_mask" : Messages is null ? "text_completion" : "chat";

    /// <summary>The W3C context of who put it on the queue; says nothing about the job.</summary>
    [JsonIgnore]
    public string? Traceparent { get; init; }
}
