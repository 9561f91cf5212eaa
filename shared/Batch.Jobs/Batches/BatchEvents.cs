using System.Diagnostics;
using Batch.Jobs.Audit;
using Batch.Jobs.Events;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using CloudNative.CloudEvents;
using CloudNative.CloudEvents.SystemTextJson;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Batches;

/// <summary>
/// Tells the world of a batch that has ended: a CloudEvent on the events queue and the Event Grid topic, and to the batch's webhook the body that OpenAI sends. Both
/// have the id <c>{batch}:{state}</c>. Everything in them follows from the row, so they can be sent again byte for byte.
/// </summary>
public sealed partial class BatchEvents(
    BatchStore store, EventSink sink, BatchReader batches, AuditLog audit, IOptions<JobsOptions> options, ILogger<BatchEvents> logger)
{
    private static readonly JsonEventFormatter Formatter = new(JobJson.Options, default);

    internal async Task<BatchRow> PublishAsync(BatchRow row, CancellationToken cancellationToken)
    {
        if (row.EventState is not EventState.Pending)
        {
            return row;
        }

        using var span = Tracing.Start("publish event", ActivityKind.Internal, row.Traceparent, [new("cloudevents.event_id", row.EventId)]);
        await audit.BatchEndedAsync(row, cancellationToken);
        await sink.SendAsync(Encode(row), cancellationToken);
        if (row.WebhookUrl is not null)
        {
            await sink.EnqueueBatchWebhookAsync(row.Tenant, row.Id, cancellationToken);
        }

        LogEnded(row.Id, row.Tenant, row.State, row.Succeeded, row.Errored, row.CancelledLines + row.ExpiredLines);
        return await store.UpdateAsync(
            row, r => r.EventState is EventState.Pending ? r with { EventState = EventState.Published } : r, cancellationToken);
    }

    private ReadOnlyMemory<byte> Encode(BatchRow row) => Formatter.EncodeStructuredModeMessage(
        new CloudEvent(CloudEventsSpecVersion.V1_0)
        {
            [JobEventFormat.Traceparent] = row.Traceparent,
            Id = row.EventId,
            Source = new Uri(options.Value.EventSource, UriKind.RelativeOrAbsolute),
            Type = $"batch.{BatchRow.NameOf(row.State)}",
            Subject = row.Id,
            Time = row.EndedAt,
            DataContentType = "application/json",
            Data = new { BatchId = row.Id, row.Tenant, Batch = batches.View(row) },
        },
        out _);

    [LoggerMessage(LogLevel.Information, "Batch {BatchId} of tenant {Tenant} is {State}: {Succeeded} lines succeeded, {Errored} errored, {Unrun} did not run")]
    private partial void LogEnded(string batchId, string tenant, BatchState state, int succeeded, int errored, int unrun);
}
