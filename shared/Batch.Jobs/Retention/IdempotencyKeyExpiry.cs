using Batch.Jobs.Idempotency;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Retention;

/// <summary>Idempotency-Keys: one that comes later makes a new object.</summary>
public sealed class IdempotencyKeyExpiry(StorageClients clients, IOptions<RetentionOptions> options) : IExpiring
{
    private readonly IdempotencyKeys _keys = new(clients);

    public string Kind => IdempotencyKeys.ExpiryKind;

    public TimeSpan Life => TimeSpan.FromDays(options.Value.Days);

    public async Task<DateTimeOffset?> ExpireAsync(Expiry entry, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await _keys.ForgetAsync(entry.Tenant, entry.Id, cancellationToken);
        return null;
    }
}
