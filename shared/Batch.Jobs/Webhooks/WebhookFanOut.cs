using Batch.Jobs.Events;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// Makes the deliveries of an event: to the webhook that its object named, and to the tenant's endpoints that want it. Safe to repeat after a
/// crash at any write: a delivery's key follows from the event and its log, and a second message of an attempt finds it made.
/// </summary>
public sealed class WebhookFanOut(EndpointStore endpoints, DeliveryStore deliveries, JobQueues queues, EventFormat format)
{
    /// <summary>Receivers are promised less than 20 KB.</summary>
    internal const int LargestBody = 20_000;

    public async Task SendAsync(TenantEvent told, Callback? callback, CancellationToken cancellationToken)
    {
        if (callback is not null)
        {
            await AddAsync(told, Delivery.Of(told, callback.Log, callback.Format) with { Url = callback.Url }, callback.Format, cancellationToken);
        }

        await foreach (var endpoint in endpoints.ListAsync(told.Tenant, after: null, cancellationToken))
        {
            if (endpoint.IsEnabled && EventFilter.Matches(endpoint.Events, told.Type))
            {
                await AddAsync(told, endpoint, isTest: false, cancellationToken);
            }
        }
    }

    public Task<Delivery> AddAsync(TenantEvent told, WebhookEndpoint endpoint, bool isTest, CancellationToken cancellationToken) => AddAsync(
        told,
        Delivery.Of(told, DeliveryLog.OfEndpoint(endpoint.Id), endpoint.Format) with { EndpointId = endpoint.Id, IsTest = isTest },
        endpoint.Format,
        cancellationToken);

    private async Task<Delivery> AddAsync(TenantEvent told, Delivery delivery, WebhookFormat wanted, CancellationToken cancellationToken)
    {
        var body = wanted == WebhookFormat.Openai ? EventFormat.OpenAI(told) : format.CloudEvent(told, LargestBody);
        var stored = await deliveries.AddAsync(delivery, body, cancellationToken);
        if (stored is { State: WebhookState.Pending, Attempts: 0 })
        {
            // Also for one that was there: a crash may have come before its message.
            await queues.EnqueueDeliveryAsync(new DeliveryMessage(stored.Log, stored.Id, Attempt: 1), TimeSpan.Zero, cancellationToken);
        }

        return stored;
    }
}
