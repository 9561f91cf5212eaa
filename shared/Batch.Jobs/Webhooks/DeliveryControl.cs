using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>The logs of deliveries for their owners: of an endpoint, or of the webhook that a job or batch named. Another tenant's are not found.</summary>
public sealed class DeliveryControl(
    EndpointControl endpoints, JobStore jobs, BatchStore batches, DeliveryStore deliveries, JobQueues queues)
{
    private const int MostReplayed = 1000;

    private const int AtOnce = 8;

    public async Task<string> LogOfEndpointAsync(string id, Caller caller, CancellationToken cancellationToken, bool mustBeEnabled = false)
    {
        var endpoint = await endpoints.FindAsync(id, caller, cancellationToken);
        return endpoint.IsEnabled || !mustBeEnabled ? DeliveryLog.OfEndpoint(endpoint.Id) : throw EndpointControl.IsDisabled(endpoint);
    }

    public async Task<string> LogOfJobAsync(string id, Caller caller, CancellationToken cancellationToken) =>
        await jobs.FindAsync(id, caller.Tenant, cancellationToken) is { } job
            ? DeliveryLog.OfJob(job.Tenant, job.Id)
            : throw new InvalidJobException(JobErrorCode.JobNotFound, $"no job {JsonField.Quote(id)} was submitted", "id");

    public async Task<string> LogOfBatchAsync(string id, Caller caller, CancellationToken cancellationToken) =>
        await batches.FindAsync(caller.Tenant, id, cancellationToken) is { } batch
            ? DeliveryLog.OfBatch(batch.Id)
            : throw new InvalidJobException(JobErrorCode.BatchNotFound, $"no batch {JsonField.Quote(id)} was created", "id");

    /// <summary>Newest first, without bodies, from the one after <paramref name="after"/>.</summary>
    public async Task<Page<DeliveryView>> ListAsync(string log, string? status, string? after, int limit, CancellationToken cancellationToken)
    {
        WebhookState? state = status switch
        {
            null => null,
            "pending" => WebhookState.Pending,
            "delivered" => WebhookState.Delivered,
            "failed" => WebhookState.Failed,
            _ => throw new InvalidJobException(JobErrorCode.InvalidRequest, $"status must be pending, delivered or failed, was {JsonField.Quote(status)}", "status"),
        };
        var found = await deliveries.ListAsync(log, after, state, cancellationToken).Take(limit + 1).ToListAsync(cancellationToken);
        return Page.Of([.. found.Select(DeliveryView.Of)], limit, delivery => delivery.Id);
    }

    public async Task<DeliveryView> GetAsync(string log, string id, CancellationToken cancellationToken)
    {
        var delivery = await FindAsync(log, id, cancellationToken);
        return DeliveryView.Of(delivery, await deliveries.ReadBodyAsync(delivery, cancellationToken));
    }

    /// <summary>Attempts it now, whatever came of it, with the same body and webhook-id, and climbs the ladder anew.</summary>
    public async Task<DeliveryView> ReplayAsync(string log, string id, CancellationToken cancellationToken)
    {
        var delivery = await FindAsync(log, id, cancellationToken);
        await ReplayAsync(delivery, cancellationToken);
        return DeliveryView.Of(delivery);
    }

    /// <summary>Replays what failed, newest first: of events from a time on, and from the delivery after another on.</summary>
    public async Task<ReplayView> ReplayFailedAsync(string log, ReplayRequest asked, CancellationToken cancellationToken)
    {
        var found = await deliveries.ListAsync(log, asked.After, WebhookState.Failed, cancellationToken)
            .TakeWhile(delivery => delivery.CreatedAt >= asked.Since).Take(MostReplayed + 1).ToListAsync(cancellationToken);
        var replayed = found.Take(MostReplayed).ToList();
        await Parallel.ForEachAsync(
            replayed, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (delivery, token) => await ReplayAsync(delivery, token));
        return new ReplayView(replayed.Count, found.Count > MostReplayed, replayed.LastOrDefault()?.Id);
    }

    // The message alone: who takes it writes the row, so a crash here or there loses nothing, and a second replay of an attempt finds it made.
    private Task ReplayAsync(Delivery delivery, CancellationToken cancellationToken) =>
        queues.EnqueueDeliveryAsync(new DeliveryMessage(delivery.Log, delivery.Id, delivery.Attempts + 1, IsReplay: true), TimeSpan.Zero, cancellationToken);

    private async Task<Delivery> FindAsync(string log, string id, CancellationToken cancellationToken) =>
        (id.StartsWith(ObjectId.Delivery, StringComparison.Ordinal) ? await deliveries.FindAsync(log, id, cancellationToken) : null)
        ?? throw new InvalidJobException(JobErrorCode.DeliveryNotFound, $"no delivery {JsonField.Quote(id)} is in this log; a delivery is kept for as long as Webhooks:RetentionDays says");
}

/// <summary>How many failed deliveries a call replays; where there are more, the next call begins after <see cref="LastId"/>.</summary>
/// <param name="Replayed">How many.</param>
/// <param name="HasMore">There are more.</param>
/// <param name="LastId">The last of them.</param>
public sealed record ReplayView(int Replayed, bool HasMore, string? LastId);
