using System.Text.Json.Serialization;

namespace Batch.Jobs.Batches;

/// <summary>
/// A batch as its tenant sees it: OpenAI's members, then those of Azure's dialect, then our own,
/// gathered under <see cref="Outcome"/>, <see cref="Progress"/> and <see cref="Webhook"/>. Times are Unix seconds.
/// </summary>
public sealed record BatchView
{
    /// <summary>batch_ and an id.</summary>
    public required string Id { get; init; }

    /// <summary>Always batch.</summary>
    [JsonPropertyName("object")]
    public string Kind { get; init; } = "batch";

    /// <summary>The url of its lines.</summary>
    public required string Endpoint { get; init; }

    /// <summary>The model of its lines.</summary>
    public string? Model { get; init; }

    /// <summary>What is wrong with the input, of a batch that failed.</summary>
    public BatchErrors? Errors { get; init; }

    /// <summary>The file of its lines.</summary>
    public string? InputFileId { get; init; }

    /// <summary>How long it may take, as it was asked for.</summary>
    public required string CompletionWindow { get; init; }

    /// <summary>Where it stands.</summary>
    public required BatchState Status { get; init; }

    /// <summary>The file of answers, once there is one.</summary>
    public string? OutputFileId { get; init; }

    /// <summary>The file of errors, once there is one.</summary>
    public string? ErrorFileId { get; init; }

    /// <summary>When it was made.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>When its lines began to run.</summary>
    public long? InProgressAt { get; init; }

    /// <summary>When its window is over.</summary>
    public required long ExpiresAt { get; init; }

    /// <summary>When the last line had ended.</summary>
    public long? FinalizingAt { get; init; }

    /// <summary>When it was completed.</summary>
    public long? CompletedAt { get; init; }

    /// <summary>When its input was found to be wrong.</summary>
    public long? FailedAt { get; init; }

    /// <summary>When it expired.</summary>
    public long? ExpiredAt { get; init; }

    /// <summary>When somebody cancelled it.</summary>
    public long? CancellingAt { get; init; }

    /// <summary>When that was done.</summary>
    public long? CancelledAt { get; init; }

    /// <summary>Its lines.</summary>
    public required BatchCounts RequestCounts { get; init; }

    /// <summary>The tokens of all lines that have ended.</summary>
    public required BatchUsage Usage { get; init; }

    /// <summary>The caller's pairs.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>The blob of its lines, of Azure's dialect.</summary>
    public string? InputBlob { get; init; }

    /// <summary>The blob of answers, of Azure's dialect.</summary>
    public string? OutputBlob { get; init; }

    /// <summary>The blob of errors, of Azure's dialect.</summary>
    public string? ErrorBlob { get; init; }

    // Ours.

    /// <summary>Higher numbers are admitted first.</summary>
    public int Priority { get; init; }

    /// <summary>No more lines are admitted.</summary>
    public bool Paused { get; init; }

    /// <summary>How its lines ended.</summary>
    public required BatchOutcome Outcome { get; init; }

    /// <summary>How it goes, until it has ended.</summary>
    public BatchProgress? Progress { get; init; }

    /// <summary>How its own webhook stands, where it has one.</summary>
    public JobViewWebhook? Webhook { get; init; }
}

/// <summary>What is wrong with an input.</summary>
/// <param name="Kind">Always list.</param>
/// <param name="Data">At most 50.</param>
public sealed record BatchErrors([property: JsonPropertyName("object")] string Kind, IReadOnlyList<BatchError> Data);

/// <summary>As OpenAI counts: what did not succeed has failed.</summary>
/// <param name="Total">All lines.</param>
/// <param name="Completed">Those that succeeded.</param>
/// <param name="Failed">Those that ended otherwise.</param>
public sealed record BatchCounts(int Total, int Completed, int Failed);

/// <summary>Tokens of a batch, as OpenAI counts them.</summary>
/// <param name="InputTokens">Of the prompts.</param>
/// <param name="InputTokensDetails">Of the prompts' tokens.</param>
/// <param name="OutputTokens">Of the texts.</param>
/// <param name="OutputTokensDetails">Of the texts' tokens.</param>
/// <param name="TotalTokens">Both.</param>
public sealed record BatchUsage(
    long InputTokens, InputTokensDetails InputTokensDetails, long OutputTokens, OutputTokensDetails OutputTokensDetails, long TotalTokens);

/// <summary>Of the prompts' tokens.</summary>
/// <param name="CachedTokens">Those that were not computed again, as an earlier prompt began alike.</param>
public sealed record InputTokensDetails(long CachedTokens);

/// <summary>Of the texts' tokens.</summary>
/// <param name="ReasoningTokens">Always 0: every token is in a text.</param>
public sealed record OutputTokensDetails(long ReasoningTokens);

/// <summary>How the lines ended, each counted once, and how often each error came.</summary>
/// <param name="Succeeded">Answered.</param>
/// <param name="Errored">Refused, or failed.</param>
/// <param name="Cancelled">Ended by a cancel.</param>
/// <param name="Expired">Not done when the window was over.</param>
/// <param name="Errors">How often each error code came.</param>
public sealed record BatchOutcome(int Succeeded, int Errored, int Cancelled, int Expired, IReadOnlyDictionary<string, int> Errors);

/// <summary>
/// How a batch that is not done with goes: lines that have not ended, speed as measured over about the last minute, seconds to the end at
/// that speed, and, while it waits, at which place and for what.
/// </summary>
/// <param name="LinesLeft">Lines that have not ended.</param>
/// <param name="LinesAdmitted">Lines that were put on the work queue.</param>
/// <param name="LinesPerSecond">Over about the last minute.</param>
/// <param name="TokensPerSecond">Over about the last minute.</param>
/// <param name="EtaSeconds">To the end at that speed.</param>
/// <param name="Position">Its place among those that wait, until the first line has ended.</param>
/// <param name="WaitingFor">What for.</param>
public sealed record BatchProgress(
    int LinesLeft, int LinesAdmitted, double LinesPerSecond, double TokensPerSecond, double? EtaSeconds, int? Position, string? WaitingFor);
