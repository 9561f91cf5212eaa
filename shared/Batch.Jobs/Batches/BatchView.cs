using System.Text.Json.Serialization;

namespace Batch.Jobs.Batches;

/// <summary>
/// A batch as its tenant sees it: OpenAI's members, then those of Azure's dialect, then our own,
/// gathered under <see cref="Outcome"/>, <see cref="Progress"/> and <see cref="Webhook"/>. Times are Unix seconds.
/// </summary>
public sealed record BatchView
{
    public required string Id { get; init; }

    [JsonPropertyName("object")]
    public string Kind { get; init; } = "batch";
    public required string Endpoint { get; init; }
    public string? Model { get; init; }
    public BatchErrors? Errors { get; init; }
    public string? InputFileId { get; init; }
    public required string CompletionWindow { get; init; }
    public required BatchState Status { get; init; }
    public string? OutputFileId { get; init; }
    public string? ErrorFileId { get; init; }
    public required long CreatedAt { get; init; }
    public long? InProgressAt { get; init; }
    public required long ExpiresAt { get; init; }
    public long? FinalizingAt { get; init; }
    public long? CompletedAt { get; init; }
    public long? FailedAt { get; init; }
    public long? ExpiredAt { get; init; }
    public long? CancellingAt { get; init; }
    public long? CancelledAt { get; init; }
    public required BatchCounts RequestCounts { get; init; }
    public required BatchUsage Usage { get; init; }
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    // Azure's dialect.
    public string? InputBlob { get; init; }
    public string? OutputBlob { get; init; }
    public string? ErrorBlob { get; init; }

    // Ours.
    public int Priority { get; init; }
    public bool Paused { get; init; }
    public required BatchOutcome Outcome { get; init; }
    public BatchProgress? Progress { get; init; }
    public JobViewWebhook? Webhook { get; init; }
}

public sealed record BatchErrors([property: JsonPropertyName("object")] string Kind, IReadOnlyList<BatchError> Data);

/// <summary>As OpenAI counts: what did not succeed has failed.</summary>
public sealed record BatchCounts(int Total, int Completed, int Failed);

public sealed record BatchUsage(
    long InputTokens, InputTokensDetails InputTokensDetails, long OutputTokens, OutputTokensDetails OutputTokensDetails, long TotalTokens);

public sealed record InputTokensDetails(long CachedTokens);

public sealed record OutputTokensDetails(long ReasoningTokens);

/// <summary>How the lines ended, each counted once, and how often each error came.</summary>
public sealed record BatchOutcome(int Succeeded, int Errored, int Cancelled, int Expired, IReadOnlyDictionary<string, int> Errors);

/// <summary>
/// How a batch that is not done with goes: lines that have not ended, speed as measured over about the last minute, seconds to the end at
/// that speed, and, while it waits, at which place and for what.
/// </summary>
public sealed record BatchProgress(
    int LinesLeft, int LinesAdmitted, double LinesPerSecond, double TokensPerSecond, double? EtaSeconds, int? Position, string? WaitingFor);
