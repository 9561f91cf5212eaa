using Batch.Jobs.Events;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// Notes on an endpoint's row what attempts say of it: since when every one failed, until when it is to be spared; disables it where it wants no
/// more or has failed for too long, and tells its tenant.
/// </summary>
public sealed partial class EndpointHealth(
    EndpointStore store, EventSink sink, IOptions<WebhookOptions> options, TimeProvider time, ILogger<EndpointHealth> logger)
{
    internal async Task<WebhookEndpoint?> NoteAsync(WebhookEndpoint endpoint, WebhookOutcome outcome, CancellationToken cancellationToken)
    {
        var patience = TimeSpan.FromDays(options.Value.DisableAfterDays);
        var noted = await store.UpdateAsync(endpoint, row => row.After(outcome, patience, time.GetUtcNow()), cancellationToken);
        return noted is null ? null : await TellAsync(noted, cancellationToken);
    }

    /// <summary>Tells of a disabling that is still to be told. A crash in here tells it again, at the next delivery, under the same id.</summary>
    internal async Task<WebhookEndpoint> TellAsync(WebhookEndpoint endpoint, CancellationToken cancellationToken)
    {
        if (endpoint is not { EventState: EventState.Pending, DisabledAt: { } disabledAt })
        {
            return endpoint;
        }

        var data = new { WebhookEndpointId = endpoint.Id, endpoint.Tenant, endpoint.Url, DisabledAt = disabledAt.ToUnixTimeSeconds(), endpoint.DisabledReason };
        await sink.SendAsync(
            new TenantEvent(endpoint.EventId, EventType.EndpointDisabled, endpoint.Tenant, endpoint.Id, disabledAt, data), callback: null, cancellationToken);
        LogDisabled(endpoint.Id, endpoint.Tenant, endpoint.DisabledReason);
        return await store.UpdateAsync(
            endpoint, row => row.EventState is EventState.Pending ? row with { EventState = EventState.Published } : row, cancellationToken) ?? endpoint;
    }

    [LoggerMessage(LogLevel.Warning, "Webhook endpoint {EndpointId} of tenant {Tenant} is disabled: {Reason}")]
    private partial void LogDisabled(string endpointId, string tenant, string? reason);
}
