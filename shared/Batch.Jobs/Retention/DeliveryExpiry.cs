using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Retention;

/// <summary>The logs of deliveries, those of deleted endpoints too.</summary>
public sealed class DeliveryExpiry(DeliveryStore store, IOptions<WebhookOptions> options) : IExpiring
{
    public string Kind => DeliveryStore.ExpiryKind;

    public TimeSpan Life => TimeSpan.FromDays(options.Value.RetentionDays);

    public async Task<DateTimeOffset?> ExpireAsync(Expiry entry, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // The entry's tenant is the log, in which the delivery is one.
        await store.DeleteAsync(entry.Tenant, entry.Id, cancellationToken);
        return null;
    }
}
