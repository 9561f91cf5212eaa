using Batch.Jobs.Batches;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// Where deliveries go: to an endpoint of the tenant's, signed with its secrets, or to the webhook that a job or batch named, signed with
/// <c>Webhooks:Secret</c>; and who is told of an attempt, before the delivery itself notes it, so that a crash tells again.
/// </summary>
public sealed class WebhookTargets(
    EndpointStore endpoints, EndpointSecrets secrets, EndpointHealth health, JobStore jobs, BatchStore batches, IOptions<WebhookOptions> options)
{
    /// <summary>Null where the endpoint was deleted.</summary>
    internal async Task<WebhookTarget?> FindAsync(Delivery delivery, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (delivery.EndpointId is not { } id)
        {
            var refusal = options.Value.Keys.Count == 0 ? "no signing secret is set here any more (Webhooks:Secret)" : null;
            return new WebhookTarget(delivery.Url!, options.Value.Keys, refusal, null);
        }

        if (await endpoints.FindAsync(delivery.Tenant, id, cancellationToken) is not { } endpoint)
        {
            return null;
        }

        endpoint = await health.TellAsync(endpoint, cancellationToken);
        return endpoint.IsEnabled
            ? new WebhookTarget(endpoint.Url, secrets.KeysOf(endpoint, now), null, endpoint)
            : new WebhookTarget(endpoint.Url, [], $"not attempted, the endpoint is disabled: {endpoint.DisabledReason}", endpoint);
    }

    /// <summary>What an attempt says of the endpoint. Gives the target as it is from now on.</summary>
    internal async Task<WebhookTarget> NoteAsync(WebhookTarget target, Delivery delivery, WebhookOutcome outcome, CancellationToken cancellationToken)
    {
        if (target.Endpoint is null || delivery.IsTest)
        {
            return target;
        }

        return target with { Endpoint = await health.NoteAsync(target.Endpoint, outcome, cancellationToken) ?? target.Endpoint };
    }

    /// <summary>Shows on the job or batch how its own webhook stands.</summary>
    internal async Task ShowAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        if (DeliveryLog.JobOf(delivery.Log) is { } jobId && await jobs.FindAsync(jobId, delivery.Tenant, cancellationToken) is { } job)
        {
            // Not on a job that was replayed since.
            await jobs.UpdateAsync(
                job,
                row => row.EventId != delivery.EventId || row.FinishedAt != delivery.CreatedAt ? row : row with
                {
                    WebhookState = delivery.State,
                    WebhookAttempts = delivery.Attempts,
                    WebhookLastError = delivery.LastError,
                },
                cancellationToken);
        }

        if (DeliveryLog.BatchOf(delivery.Log) is { } batchId && await batches.FindAsync(delivery.Tenant, batchId, cancellationToken) is { } batch)
        {
            await batches.UpdateAsync(
                batch,
                row => row with { WebhookState = delivery.State, WebhookAttempts = delivery.Attempts, WebhookLastError = delivery.LastError },
                cancellationToken);
        }
    }
}

/// <summary>Where a delivery goes and what signs it, or why it cannot.</summary>
internal sealed record WebhookTarget(string Url, IReadOnlyList<byte[]> Keys, string? Refusal, WebhookEndpoint? Endpoint)
{
    public static WebhookTarget Nowhere { get; } = new("", [], null, null);
}
