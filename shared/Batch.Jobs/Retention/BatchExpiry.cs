using Batch.Jobs.Batches;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Retention;

/// <summary>Batches: the row, and in container <c>batches</c> the copy of the input, the index and whatever else lies under the batch's name. Its files expire as files.</summary>
public sealed class BatchExpiry(BatchStore store, BatchBlobs blobs, IOptions<RetentionOptions> options) : IExpiring
{
    public string Kind => BatchStore.ExpiryKind;

    public TimeSpan Life => TimeSpan.FromDays(options.Value.Days);

    public async Task<DateTimeOffset?> ExpireAsync(Expiry entry, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(entry.Tenant, entry.Id, cancellationToken) is { } row && !(row.IsFinal && row.ExpiresAt + Life <= now))
        {
            return row.IsFinal ? row.ExpiresAt : now;
        }

        await blobs.DeleteAllAsync(entry.Id, cancellationToken);
        await store.DeleteAsync(entry.Tenant, entry.Id, cancellationToken);
        return null;
    }
}
