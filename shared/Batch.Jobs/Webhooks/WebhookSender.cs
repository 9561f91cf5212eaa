using System.Text.Json;
using Azure.Storage.Queues.Models;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Events;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// Delivers the event of a finished job, or of an ended batch, to its webhook. What fails is tried again by a message that becomes visible
/// later, and in the end is marked failed on the job or the batch.
/// </summary>
public sealed partial class WebhookSender(
    WebhookCalls calls, JobEventFormat format, JobStore jobs, BatchWebhook batches, JobQueues queues, ILogger<WebhookSender> logger)
{
    public async Task DeliverAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var asked = message.Body.ToObjectFromJson<WebhookMessage>();
        if (asked is { Tenant: { } tenant, BatchId: { } batchId })
        {
            await batches.DeliverAsync(tenant, batchId, asked.Attempt, cancellationToken);
            return;
        }

        var jobId = asked?.JobId ?? throw new JsonException("a message on batch-webhooks must be {jobId, attempt} or {tenant, batchId, attempt}");
        await DeliverAsync(jobId, asked.Tenant ?? Caller.DefaultTenant, asked.Attempt, cancellationToken);
    }

    private async Task DeliverAsync(string jobId, string tenant, int attempt, CancellationToken cancellationToken)
    {
        var job = await jobs.FindAsync(jobId, tenant, cancellationToken);
        if (job is not { WebhookUrl: not null, IsFinished: true } || job.WebhookState is WebhookState.Delivered or WebhookState.Failed)
        {
            return;
        }

        var outcome = await calls.PostAsync(job.WebhookUrl, job.EventId, JobEventFormat.ContentType, format.Encode(job), cancellationToken);
        var delay = WebhookSchedule.DelayAfter(attempt, job.EventId, outcome);
        if (delay is { } wait)
        {
            // Before the row: a crash between them sends this attempt twice, under one webhook-id; the other order could lose all further
            // attempts.
            await queues.EnqueueWebhookAsync(job, attempt + 1, wait, cancellationToken);
        }

        var state = WebhookSchedule.StateAfter(outcome, delay);
        await jobs.UpdateAsync(
            job,
            row => row.WebhookState == WebhookState.Delivered ? row : row with
            {
                WebhookState = state,
                WebhookAttempts = Math.Max(attempt, row.WebhookAttempts),
                WebhookLastError = outcome.Error,
            },
            cancellationToken);
        LogAttempted(jobId, attempt, state, outcome.Error);
    }

    [LoggerMessage(LogLevel.Information, "Webhook of job {JobId}, attempt {Attempt}: {State}, error {Error}")]
    private partial void LogAttempted(string jobId, int attempt, WebhookState state, string? error);
}
