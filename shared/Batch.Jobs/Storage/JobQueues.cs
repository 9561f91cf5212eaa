using System.Text.Json;
using System.Text.Json.Serialization;
using Azure.Storage.Queues;
using Batch.Jobs.Telemetry;

namespace Batch.Jobs.Storage;

/// <summary>The queues. Messages never expire by themselves and are base64, as the Functions host reads them.</summary>
public sealed class JobQueues(StorageClients clients)
{
    public const string Jobs = "batch-jobs";
    public const string PoisonJobs = "batch-jobs-poison";

    /// <summary>Names the jobs that were given up, for an operator to replay; nothing reads it by itself.</summary>
    public const string FailedJobs = "batch-jobs-failed";

    public const string Events = "batch-events";
    public const string Webhooks = "batch-webhooks";
    public const string PoisonWebhooks = "batch-webhooks-poison";

    /// <summary>How often a message is delivered before it goes to its poison queue: host.json's maxDequeueCount, which doctor compares.</summary>
    public const int MaxDequeueCount = 5;

    /// <summary>The longest that a message may stay invisible; a longer wait is made of several.</summary>
    public static readonly TimeSpan LongestDelay = TimeSpan.FromDays(7);

    private static readonly TimeSpan NeverExpires = TimeSpan.FromSeconds(-1);
    private static readonly JsonSerializerOptions Compact = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private readonly QueueClient _jobs = clients.Queues.GetQueueClient(Jobs);
    private readonly QueueClient _failedJobs = clients.Queues.GetQueueClient(FailedJobs);
    private readonly QueueClient _events = clients.Queues.GetQueueClient(Events);
    private readonly QueueClient _webhooks = clients.Queues.GetQueueClient(Webhooks);

    public async Task EnqueueJobAsync(Job job, TimeSpan delay, CancellationToken cancellationToken)
    {
        using var span = Messages.Send(Jobs, job.Traceparent);
        await SendAsync(_jobs, JsonSerializer.SerializeToUtf8Bytes(new JobMessage(job.Id, job.Tenant, span?.Id ?? job.Traceparent), Compact), delay, cancellationToken);
    }

    /// <summary>Messages that wait or are worked on, nearly.</summary>
    public async Task<int> CountJobsAsync(CancellationToken cancellationToken) => (await _jobs.GetPropertiesAsync(cancellationToken)).Value.ApproximateMessagesCount;

    /// <summary>When the first message that waits was put on the queue; null when none waits.</summary>
    public async Task<DateTimeOffset?> FindOldestJobAsync(CancellationToken cancellationToken) => (await _jobs.PeekMessageAsync(cancellationToken)).Value?.InsertedOn;

    public Task KeepFailedJobAsync(Job job, CancellationToken cancellationToken) =>
        SendAsync(_failedJobs, JsonSerializer.SerializeToUtf8Bytes(new JobMessage(job.Id, job.Tenant)), TimeSpan.Zero, cancellationToken);

    public async Task SendEventAsync(ReadOnlyMemory<byte> cloudEvent, CancellationToken cancellationToken)
    {
        using var span = Messages.Send(Events);
        await SendAsync(_events, cloudEvent, TimeSpan.Zero, cancellationToken);
    }

    internal async Task EnqueueDeliveryAsync(DeliveryMessage message, TimeSpan delay, CancellationToken cancellationToken)
    {
        using var span = Messages.Send(Webhooks);
        await SendAsync(_webhooks, JsonSerializer.SerializeToUtf8Bytes(message with { Traceparent = Tracing.Current }, Compact), delay, cancellationToken);
    }

    private static async Task SendAsync(QueueClient queue, ReadOnlyMemory<byte> body, TimeSpan delay, CancellationToken cancellationToken)
    {
        var visible = TimeSpan.FromSeconds(Math.Ceiling(Math.Clamp(delay.TotalSeconds, 0, LongestDelay.TotalSeconds)));
        await queue.SendMessageAsync(BinaryData.FromBytes(body), visible, NeverExpires, cancellationToken);
    }
}

/// <summary>What waits on <c>batch-jobs</c>: the work itself is in the job's row. Without a tenant the job is the default one's.</summary>
internal sealed record JobMessage(
    [property: JsonPropertyName("jobId")] string JobId,
    [property: JsonPropertyName("tenant")] string Tenant,
    [property: JsonPropertyName("traceparent")] string? Traceparent = null);

/// <summary>What waits on <c>batch-webhooks</c>: the attempt to make, from 1, of a delivery; a replay's begins the ladder anew.</summary>
internal sealed record DeliveryMessage(
    [property: JsonPropertyName("log")] string Log,
    [property: JsonPropertyName("delivery")] string DeliveryId,
    [property: JsonPropertyName("attempt")] int Attempt,
    [property: JsonPropertyName("replay")] bool IsReplay = false,
    [property: JsonPropertyName("traceparent")] string? Traceparent = null);
