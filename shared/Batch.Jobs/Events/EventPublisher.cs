using System.Diagnostics;
using Batch.Jobs.Audit;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Events;

/// <summary>
/// Tells the world of a finished job: the audit log, then every sink of events. Each step may be repeated and is, until the row says published;
/// consumers tell repetitions by the event's id.
/// </summary>
public sealed partial class EventPublisher(
    JobStore store, EventSink sink, AuditLog audit, JobMetrics metrics, ILogger<EventPublisher> logger)
{
    public async Task<Job> PublishAsync(Job job, CancellationToken cancellationToken)
    {
        if (job.EventState is not EventState.Pending)
        {
            return job;
        }

        using var span = Tracing.Start("publish event", ActivityKind.Internal, job.Traceparent, [new("cloudevents.event_id", job.EventId)]);
        await store.DeleteProgressAsync(job, cancellationToken);
        await audit.FinishedAsync(job, cancellationToken);
        var callback = job.WebhookUrl is { } url ? new Callback(DeliveryLog.OfJob(job.Tenant, job.Id), url, WebhookFormat.Cloudevents) : null;
        await sink.SendAsync(JobEventData.EventOf(job, store), callback, cancellationToken);

        // Checkpoint: published. A crash before it sends the same event, under the same id, once more.
        var first = false;
        job = await store.UpdateAsync(
            job, row => (first = row.EventState is EventState.Pending) ? row with { EventState = EventState.Published } : row,
            cancellationToken);
        if (!first)
        {
            return job;
        }

        metrics.Finished(job);
        LogFinished(job.Id, job.State, job.FinishReason, job.CompletionTokens, job.ErrorCode);
        return job;
    }

    [LoggerMessage(
        LogLevel.Information, "Job {JobId} is {State}: finish reason {FinishReason}, {CompletionTokens} tokens, error {ErrorCode}")]
    private partial void LogFinished(string jobId, JobState state, string? finishReason, int completionTokens, string? errorCode);
}
