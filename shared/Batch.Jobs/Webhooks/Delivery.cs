using System.Runtime.Serialization;
using System.Text.Json;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Events;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// One event's way to one webhook: a row in table <c>webhookdeliveries</c>, in the partition of its <see cref="DeliveryLog"/>, newest first. Its
/// key follows from the event and the log, so an event that is told twice finds the delivery there. Changes are pure functions, written under
/// the row's ETag.
/// </summary>
public sealed record Delivery : ITableEntity
{
    /// <summary>How long one attempt may hold the delivery; what is left of a process that died counts no longer.</summary>
    internal static readonly TimeSpan ClaimTime = WebhookCalls.Timeout + TimeSpan.FromSeconds(10);

    private const int KeptAttempts = 30;

    public string PartitionKey { get; set; } = "";
    public string RowKey { get; set; } = "";
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    // What is sent, and where. Written once; the body lies in a row of its own.
    public string Tenant { get; set; } = "";
    public string EventId { get; set; } = "";
    public string EventType { get; set; } = "";
    public DateTimeOffset CreatedAt { get; set; }
    public string ContentType { get; set; } = "";

    /// <summary>The endpoint; null for the webhook of one job or batch, whose address is <see cref="Url"/>.</summary>
    public string? EndpointId { get; set; }
    public string? Url { get; set; }

    /// <summary>A test event is attempted once and says nothing of the endpoint.</summary>
    public bool IsTest { get; set; }

    // How far it is.
    public WebhookState State { get; set; }
    public int Attempts { get; set; }

    /// <summary>The attempts before this round of the ladder; a replay begins another.</summary>
    public int EarlierAttempts { get; set; }
    public DateTimeOffset? NextAttemptAt { get; set; }
    public DateTimeOffset? ClaimedUntil { get; set; }
    public string? LastError { get; set; }

    /// <summary>The latest attempts as JSON, the first of them first.</summary>
    public string? History { get; set; }

    [IgnoreDataMember]
    public string Log => PartitionKey;

    [IgnoreDataMember]
    public string Id => RowKey;

    [IgnoreDataMember]
    public int Step => Attempts - EarlierAttempts;

    public static Delivery Of(TenantEvent told, string log, WebhookFormat format) => new()
    {
        PartitionKey = log,
        RowKey = IdOf(told, log),
        Tenant = told.Tenant,
        EventId = told.Id,
        EventType = told.Type,
        CreatedAt = told.Time,
        ContentType = format == WebhookFormat.Openai ? "application/json" : "application/cloudevents+json",
        State = WebhookState.Pending,
        NextAttemptAt = told.Time,
    };

    public IReadOnlyList<DeliveryAttempt> ReadHistory() =>
        History is null ? [] : JsonSerializer.Deserialize<List<DeliveryAttempt>>(History, JobJson.Options)!;

    /// <summary>Whether <paramref name="attempt"/> is the one to make now; messages of attempts that were made come again.</summary>
    public bool Awaits(int attempt, bool isReplay) => attempt == Attempts + 1 && (State == WebhookState.Pending || isReplay);

    /// <summary>Somebody makes an attempt.</summary>
    public Delivery Claim(bool isReplay, DateTimeOffset now) => this with
    {
        State = WebhookState.Pending,
        ClaimedUntil = now + ClaimTime,
        EarlierAttempts = isReplay ? Attempts : EarlierAttempts,
    };

    /// <summary>The attempt was made, or need not be: <paramref name="wait"/> is the time to the next, null where none follows.</summary>
    public Delivery Record(DeliveryAttempt attempt, TimeSpan? wait) => attempt.Number <= Attempts ? this : this with
    {
        State = attempt.Error is null ? WebhookState.Delivered : wait is null ? WebhookState.Failed : WebhookState.Pending,
        Attempts = attempt.Number,
        NextAttemptAt = attempt.At + wait,
        ClaimedUntil = null,
        LastError = attempt.Error,
        History = JsonSerializer.Serialize(ReadHistory().Append(attempt).TakeLast(KeptAttempts), JobJson.Options),
    };

    // As other ids: newest first.
    private static string IdOf(TenantEvent told, string log) => ObjectId.Of(ObjectId.Delivery, told.Time, $"{told.Id}\n{log}");
}

/// <summary>One attempt: no error is success; no status code where no answer came.</summary>
public sealed record DeliveryAttempt(int Number, DateTimeOffset At, int? StatusCode, int DurationMs, string? Error);

/// <summary>Names the partitions of deliveries. No id and no tenant has a space, so no log is another's.</summary>
public static class DeliveryLog
{
    private const string Jobs = "job ";
    private const string Batches = "batch ";

    public static string OfEndpoint(string id) => $"endpoint {id}";

    public static string OfJob(string tenant, string id) => $"{Jobs}{tenant} {id}";

    public static string OfBatch(string id) => Batches + id;

    internal static string? JobOf(string log) => log.StartsWith(Jobs, StringComparison.Ordinal) ? log.Split(' ')[2] : null;

    internal static string? BatchOf(string log) => log.StartsWith(Batches, StringComparison.Ordinal) ? log[Batches.Length..] : null;
}

/// <summary>The webhook that a job or batch named for itself.</summary>
public sealed record Callback(string Log, string Url, WebhookFormat Format);

/// <summary>How an event looks in a webhook's body.</summary>
public enum WebhookFormat
{
    Openai,
    Cloudevents,
}
