using System.Diagnostics;
using Batch.Jobs.Audit;
using Batch.Jobs.Events;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Batches;

/// <summary>
/// Tells the world of a batch that has ended, as <see cref="EventPublisher"/> does of a job: the audit log, then every sink of events, under the id
/// <c>{batch}:{state}</c>.
/// </summary>
public sealed partial class BatchEvents(
    BatchStore store, EventSink sink, BatchReader batches, AuditLog audit, ILogger<BatchEvents> logger)
{
    internal async Task<BatchRow> PublishAsync(BatchRow row, CancellationToken cancellationToken)
    {
        if (row.EventState is not EventState.Pending)
        {
            return row;
        }

        using var span = Tracing.Start("publish event", ActivityKind.Internal, row.Traceparent, [new("cloudevents.event_id", row.EventId)]);
        await audit.BatchEndedAsync(row, cancellationToken);
        var callback = row.WebhookUrl is { } url ? new Callback(DeliveryLog.OfBatch(row.Id), url, WebhookFormat.Openai) : null;
        await sink.SendAsync(EventOf(row), callback, cancellationToken);
        LogEnded(row.Id, row.Tenant, row.State, row.Succeeded, row.Errored, row.CancelledLines + row.ExpiredLines);
        return await store.UpdateAsync(
            row, r => r.EventState is EventState.Pending ? r with { EventState = EventState.Published } : r, cancellationToken);
    }

    private TenantEvent EventOf(BatchRow row) => new(
        row.EventId, EventType.Of(row.State), row.Tenant, row.Id, row.EndedAt.GetValueOrDefault(), new { BatchId = row.Id, row.Tenant, Batch = batches.View(row) })
    {
        Traceparent = row.Traceparent,
    };

    [LoggerMessage(LogLevel.Information, "Batch {BatchId} of tenant {Tenant} is {State}: {Succeeded} lines succeeded, {Errored} errored, {Unrun} did not run")]
    private partial void LogEnded(string batchId, string tenant, BatchState state, int succeeded, int errored, int unrun);
}
