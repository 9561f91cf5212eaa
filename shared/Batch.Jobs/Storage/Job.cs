using System.Runtime.Serialization;
using System.Text.Json;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Storage;

/// <summary>
/// One job's row in table <c>jobs</c>, alone in its partition. Changes are made by the pure functions below and written under the row's
/// ETag by <see cref="JobStore.UpdateAsync"/>, which applies them again to the newer row when somebody else wrote first; so each gives an
/// unchanged row back where it has nothing to do.
/// </summary>
public sealed record Job : ITableEntity
{
    public const string Row = "job";

    // In no id and no tenant's name.
    private const char AfterTenant = ':';
    private const int LongestMessage = 2000;

    /// <summary>As <see cref="Name(string, string)"/> gives it.</summary>
    public string PartitionKey { get; set; } = "";
    public string RowKey { get; set; } = Row;
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    // What was asked for. Written once.
    public string Tenant { get; set; } = "default";
    public string Caller { get; set; } = "";
    public string Route { get; set; } = "";
    public string? RequestId { get; set; }
    public string? Model { get; set; }

    /// <summary>The submission as JSON; null where it was too long for a row and lies in <c>results/_requests/{id}.json</c>.</summary>
    public string? Request { get; set; }

    /// <summary>SHA-256 of the submission: the same id with another one is a conflict.</summary>
    public string Fingerprint { get; set; } = "";
    public string PromptSha256 { get; set; } = "";
    public int PromptCharacters { get; set; }

    /// <summary>
    /// Given or drawn at submission, so that a second run gives the same text. A string, since tables have no unsigned 64-bit numbers.
    /// </summary>
    public string Seed { get; set; } = "0";
    public int Priority { get; set; }
    public DateTimeOffset? NotBefore { get; set; }
    public DateTimeOffset? Deadline { get; set; }
    public string? WebhookUrl { get; set; }
    public string? Metadata { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>W3C context of the submission, which the job's trace goes on from.</summary>
    public string? Traceparent { get; set; }

    // How far it is.
    public JobState State { get; set; }
    public bool CancelRequested { get; set; }
    public DateTimeOffset? StartedAt { get; set; }
    public int Attempts { get; set; }
    public long DequeueCount { get; set; }

    /// <summary>Runs that a shutdown ended; they are nobody's fault and count apart.</summary>
    public int Preemptions { get; set; }

    /// <summary>The next run goes on where a shutdown ended one: it is no further attempt.</summary>
    public bool IsPreempted { get; set; }
    public string? LastError { get; set; }

    // Who runs it: see Runs.RunClaims.
    public string? Owner { get; set; }
    public int Epoch { get; set; }

    /// <summary>Runs that ended without a word and without progress, one after the other.</summary>
    public int Deaths { get; set; }

    /// <summary>Tokens in the checkpoint when progress was last looked for.</summary>
    public int DrawsSeen { get; set; }

    // How it ended. Written once, together with the pending event.
    public DateTimeOffset? FinishedAt { get; set; }
    public bool HasResult { get; set; }
    public string? FinishReason { get; set; }
    public int PromptTokens { get; set; }
    public int CompletionTokens { get; set; }
    public string? ErrorCode { get; set; }
    public string? ErrorMessage { get; set; }
    public string? ErrorParam { get; set; }
    public EventState? EventState { get; set; }

    public WebhookState? WebhookState { get; set; }
    public int WebhookAttempts { get; set; }
    public string? WebhookLastError { get; set; }

    /// <summary>Its tenant's name for it; another tenant may have a job of the same.</summary>
    [IgnoreDataMember]
    public string Id => PartitionKey[(PartitionKey.IndexOf(AfterTenant, StringComparison.Ordinal) + 1)..];

    /// <summary>When it was read, by storage's clock.</summary>
    [IgnoreDataMember]
    public DateTimeOffset? ReadAt { get; set; }

    /// <summary>For how long nobody had written it when it was read, by storage's clock, which tells the time of now in whole seconds.</summary>
    [IgnoreDataMember]
    public TimeSpan Idle => ReadAt > Timestamp ? ReadAt.Value - Timestamp.Value : TimeSpan.Zero;

    [IgnoreDataMember]
    public bool IsFinished => State is not (JobState.Queued or JobState.Running);

    /// <summary>Stable over redeliveries: what consumers of events and webhooks tell duplicates by.</summary>
    [IgnoreDataMember]
    public string EventId => $"{PartitionKey}:{JsonNamingPolicy.SnakeCaseLower.ConvertName(State.ToString())}";

    /// <summary>A job's name among all tenants': its id, which tenant <c>default</c> has alone and every other behind its own name.</summary>
    public static string Name(string tenant, string id) => tenant == Access.Caller.DefaultTenant ? id : $"{tenant}{AfterTenant}{id}";

    /// <summary>The state this job should end in although its text is not finished; null while it may go on.</summary>
    public JobState? StopWanted(DateTimeOffset now) => this switch
    {
        { IsFinished: true } => State,
        { CancelRequested: true } => JobState.Cancelled,
        _ when Deadline <= now => JobState.Expired,
        _ => null,
    };

    /// <summary>No run has begun or ended since <paramref name="seen"/>: what that one's run has to say still holds.</summary>
    public bool IsRunOf(Job seen) => Owner == seen.Owner && Epoch == seen.Epoch;

    /// <summary>A run begins, unless somebody wanted the job stopped before.</summary>
    /// <param name="now">When.</param>
    /// <param name="dequeueCount">Of its message.</param>
    /// <param name="owner">Who runs it.</param>
    /// <param name="draws">Tokens in the checkpoint that it goes on from.</param>
    public Job Start(DateTimeOffset now, long dequeueCount, string owner, int draws) => StopWanted(now) switch
    {
        { } when IsFinished => this,
        { } stop => End(stop, now) with { FinishReason = JobResult.ReasonOf(stop) },
        null => this with
        {
            State = JobState.Running,
            Owner = owner,
            Epoch = Epoch + 1,
            StartedAt = StartedAt ?? now,
            Attempts = IsPreempted ? Attempts : Attempts + 1,
            IsPreempted = false,
            DequeueCount = dequeueCount,
            Deaths = State != JobState.Running || draws > DrawsSeen ? 0 : Deaths + 1,
            DrawsSeen = Math.Max(draws, DrawsSeen),
            LastError = State == JobState.Running ? $"the process of run {Epoch}, {Owner}, ended without an error" : LastError,
        },
    };

    /// <summary>A run ended without a text and another will follow.</summary>
    public Job HandBack(Exception? fault) => this switch
    {
        { IsFinished: true } => this,
        _ when fault is null => this with { State = JobState.Queued, Owner = null, Preemptions = Preemptions + 1, IsPreempted = true },
        _ => this with { State = JobState.Queued, Owner = null, LastError = Clip($"{fault.GetType().Name}: {fault.Message}") },
    };

    /// <summary>The result is in its blob.</summary>
    public Job Finish(JobResult result) => IsFinished ? this : End(result.Status, result.FinishedAt) with
    {
        HasResult = true,
        Model = result.Model,
        FinishReason = result.FinishReason,
        PromptTokens = result.Usage.PromptTokens,
        CompletionTokens = result.Usage.CompletionTokens,
    };

    /// <summary>The job cannot be done; another try would end the same.</summary>
    public Job Fail(InvalidJobException error, DateTimeOffset now) => IsFinished ? this : End(JobState.Failed, now) with
    {
        ErrorCode = error.Code,
        ErrorMessage = Clip(error.Message),
        ErrorParam = error.Param,
    };

    /// <summary>Ends a waiting job at once; asks a running one to stop.</summary>
    public Job Cancel(DateTimeOffset now) => State switch
    {
        JobState.Queued => End(JobState.Cancelled, now) with
        {
            CancelRequested = true,
            FinishReason = JobResult.ReasonOf(JobState.Cancelled),
        },
        JobState.Running when !CancelRequested => this with { CancelRequested = true },
        _ => this,
    };

    /// <summary>A failed job waits again, as an operator asked.</summary>
    public Job Replay() => State != JobState.Failed ? this : this with
    {
        State = JobState.Queued,
        Owner = null,
        Deaths = 0,
        FinishedAt = null,
        ErrorCode = null,
        ErrorMessage = null,
        ErrorParam = null,
        EventState = null,
        WebhookState = null,
        WebhookAttempts = 0,
        WebhookLastError = null,
    };

    internal static string Clip(string text) => text.Length <= LongestMessage ? text : text[..LongestMessage];

    // The terminal state and its event are one write: after it the event cannot be forgotten, before it there is nothing to tell.
    private Job End(JobState state, DateTimeOffset now) =>
        this with { State = state, FinishedAt = now, EventState = Storage.EventState.Pending };
}
