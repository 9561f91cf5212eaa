using System.Runtime.Serialization;
using System.Text.Json;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>
/// One batch's row in table <c>batches</c>, in its tenant's partition, from which all that is left to do can be told after a crash. Only the
/// dispatcher moves it along, a pass at a time; lines never touch it. Changes are pure functions, written under the row's ETag.
/// </summary>
public sealed record BatchRow : ITableEntity
{
    public string PartitionKey { get; set; } = "";
    public string RowKey { get; set; } = "";
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    // What was asked for. Written once.
    public string Endpoint { get; set; } = "";
    public string CompletionWindow { get; set; } = "24h";
    public string? InputFileId { get; set; }

    /// <summary>Where the input lies, in the callers' words of Azure's dialect; null for an uploaded file.</summary>
    public string? InputBlob { get; set; }
    public string? OutputFolder { get; set; }
    public string? Metadata { get; set; }
    public long? OutputLifeSeconds { get; set; }
    public int Priority { get; set; }
    public string? WebhookUrl { get; set; }
    public string Caller { get; set; } = "";
    public string? RequestId { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>W3C context of the request that made it, which the batch's trace goes on from.</summary>
    public string? Traceparent { get; set; }
    public DateTimeOffset ExpiresAt { get; set; }

    // How far it is.
    public BatchState State { get; set; }
    public bool Paused { get; set; }

    /// <summary>How the lines end that have not ended by themselves: cancelled or expired; null while they may go on.</summary>
    public LineState? Ending { get; set; }
    public DateTimeOffset? EndingSince { get; set; }
    public string? Model { get; set; }
    public string? Errors { get; set; }
    public DateTimeOffset? InProgressAt { get; set; }
    public DateTimeOffset? FinalizingAt { get; set; }
    public DateTimeOffset? CancellingAt { get; set; }

    /// <summary>When the final state was reached.</summary>
    public DateTimeOffset? EndedAt { get; set; }

    public int Lines { get; set; }
    public int Slices { get; set; }

    /// <summary>The slices before this one have been put on the queue.</summary>
    public int Admitted { get; set; }
    public long AdmittedTokens { get; set; }
    public long SettledTokens { get; set; }

    /// <summary>A bit for each slice whose lines are in the files and in the counts below.</summary>
    public byte[] Collected { get; set; } = [];
    public int CollectedSlices { get; set; }

    /// <summary>The slices of the pass that is being written; see <see cref="CollectionPlan"/>.</summary>
    public string? Plan { get; set; }

    // The files, which exist once they hold something.
    public string OutputFileId { get; set; } = "";
    public string ErrorFileId { get; set; } = "";
    public long OutputBytes { get; set; }
    public long ErrorBytes { get; set; }

    // Counts of collected lines.
    public int Succeeded { get; set; }
    public int Errored { get; set; }
    public int CancelledLines { get; set; }
    public int ExpiredLines { get; set; }
    public long InputTokens { get; set; }
    public long CachedTokens { get; set; }
    public long OutputTokens { get; set; }
    public string? ErrorCounts { get; set; }

    // Speed as measured, and when it was.
    public DateTimeOffset? RateAt { get; set; }
    public double LinesPerSecond { get; set; }
    public double TokensPerSecond { get; set; }

    // The outbox.
    public EventState? EventState { get; set; }
    public WebhookState? WebhookState { get; set; }
    public int WebhookAttempts { get; set; }
    public string? WebhookLastError { get; set; }

    [IgnoreDataMember]
    public string Tenant => PartitionKey;

    [IgnoreDataMember]
    public string Id => RowKey;

    [IgnoreDataMember]
    public bool IsFinal => State is BatchState.Completed or BatchState.Failed or BatchState.Expired or BatchState.Cancelled;

    [IgnoreDataMember]
    public int EndedLines => Succeeded + Errored + CancelledLines + ExpiredLines;

    /// <summary>Stable over redeliveries: what consumers tell duplicates by.</summary>
    [IgnoreDataMember]
    public string EventId => $"{Id}:{NameOf(State)}";

    public static string NameOf(BatchState state) => JsonNamingPolicy.SnakeCaseLower.ConvertName(state.ToString());

    public bool HasCollected(int slice) => slice >> 3 < Collected.Length && (Collected[slice >> 3] & (1 << (slice & 7))) != 0;

    /// <summary>The whole input is right; its lines may be admitted.</summary>
    public BatchRow Begin(string? model, int lines, int slices, DateTimeOffset now) => State != BatchState.Validating ? this : this with
    {
        State = BatchState.InProgress,
        InProgressAt = now,
        Model = model,
        Lines = lines,
        Slices = slices,
        Collected = new byte[(slices + 7) / 8],
    };

    /// <summary>The input is wrong; nothing of it runs.</summary>
    public BatchRow Fail(IReadOnlyList<BatchError> errors, DateTimeOffset now) => State != BatchState.Validating ? this : End(BatchState.Failed, now) with
    {
        Errors = JsonSerializer.Serialize(errors, JobJson.Options),
    };

    /// <summary>Lines that have not begun will not; those that run end with what they have.</summary>
    public BatchRow Cancel(DateTimeOffset now) => State switch
    {
        BatchState.Validating => End(BatchState.Cancelled, now) with { CancellingAt = now },
        BatchState.InProgress when Ending is null => this with
        {
            State = BatchState.Cancelling,
            CancellingAt = now,
            Ending = LineState.Cancelled,
            EndingSince = now,
            Paused = false,
        },
        _ => this,
    };

    public BatchRow Expire(DateTimeOffset now) => State switch
    {
        BatchState.Validating => End(BatchState.Expired, now),
        BatchState.InProgress when Ending is null => this with
        {
            State = BatchState.Finalizing,
            FinalizingAt = now,
            Ending = LineState.Expired,
            EndingSince = now,
        },
        _ => this,
    };

    public BatchRow Pause(bool paused) => State is BatchState.Validating or BatchState.InProgress && Ending is null && Paused != paused ? this with { Paused = paused } : this;

    /// <summary>Every line has ended and is in the files.</summary>
    public BatchRow Complete(DateTimeOffset now) => IsFinal ? this : End(
        Ending switch
        {
            LineState.Cancelled => BatchState.Cancelled,
            LineState.Expired => BatchState.Expired,
            _ => BatchState.Completed,
        },
        now) with
    {
        FinalizingAt = FinalizingAt ?? (Ending == LineState.Cancelled ? null : now),
    };

    // The final state and its event are one write: after it the event cannot be forgotten, before it there is nothing to tell.
    private BatchRow End(BatchState state, DateTimeOffset now) =>
        this with { State = state, EndedAt = now, EventState = Storage.EventState.Pending };
}
