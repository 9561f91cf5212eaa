using System.Text.Json;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Batches;

/// <summary>Delivers the event of an ended batch to its webhook, in the body that OpenAI's clients unwrap.</summary>
public sealed partial class BatchWebhook(WebhookCalls calls, BatchStore store, JobQueues queues, ILogger<BatchWebhook> logger)
{
    internal async Task DeliverAsync(string tenant, string id, int attempt, CancellationToken cancellationToken)
    {
        var batch = await store.FindAsync(tenant, id, cancellationToken);
        if (batch is not { WebhookUrl: not null, IsFinal: true } || batch.WebhookState is WebhookState.Delivered or WebhookState.Failed)
        {
            return;
        }

        var outcome = await calls.PostAsync(batch.WebhookUrl, batch.EventId, "application/json", Encode(batch), cancellationToken);
        var delay = WebhookSchedule.DelayAfter(attempt, batch.EventId, outcome);
        if (delay is { } wait)
        {
            // Before the row, as with jobs: a crash between them sends this attempt twice, under one id.
            await queues.EnqueueBatchWebhookAsync(tenant, id, attempt + 1, wait, cancellationToken);
        }

        var state = WebhookSchedule.StateAfter(outcome, delay);
        await store.UpdateAsync(
            batch,
            row => row.WebhookState == WebhookState.Delivered ? row : row with
            {
                WebhookState = state,
                WebhookAttempts = Math.Max(attempt, row.WebhookAttempts),
                WebhookLastError = outcome.Error,
            },
            cancellationToken);
        LogAttempted(id, attempt, state, outcome.Error);
    }

    internal static byte[] Encode(BatchRow batch) => JsonSerializer.SerializeToUtf8Bytes(
        new
        {
            Id = $"evt_{batch.EventId}",
            Object = "event",
            Type = $"batch.{BatchRow.NameOf(batch.State)}",
            CreatedAt = batch.EndedAt?.ToUnixTimeSeconds(),
            Data = new { batch.Id },
        },
        JobJson.Options);

    [LoggerMessage(LogLevel.Information, "Webhook of batch {BatchId}, attempt {Attempt}: {State}, error {Error}")]
    private partial void LogAttempted(string batchId, int attempt, WebhookState state, string? error);
}
