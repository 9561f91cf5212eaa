using Azure;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Retention;

/// <summary>
/// Removes what was kept long enough. Reads the index of what is due, never all that there is; stops after a while and goes on at the next run. Any number may sweep at once, and one may die
/// anywhere: an entry goes after all that it names.
/// </summary>
public sealed partial class Sweeper(IEnumerable<IExpiring> kinds, StorageClients clients, JobMetrics metrics, TimeProvider time, ILogger<Sweeper> logger)
{
    private const int AtOnce = 8;

    // Of a kind in one run: a crowd of one kind keeps the others waiting for no longer than this takes.
    private const int MostEntries = 20_000;

    private readonly ExpiryIndex _index = new(clients);

    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        foreach (var kind in kinds)
        {
            var (now, removed, stuck) = (time.GetUtcNow(), 0, 0);
            var due = _index.ListAsync(kind.Kind, now - kind.Life, cancellationToken).Take(MostEntries);
            await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (entry, token) =>
            {
                switch (await TryExpireAsync(kind, entry, now, token))
                {
                    case true: Interlocked.Increment(ref removed); break;
                    case null: Interlocked.Increment(ref stuck); break;
                }
            });
            if (removed + stuck > 0)
            {
                metrics.Removed(kind.Kind, removed);
                LogSwept(removed, kind.Kind, stuck);
            }
        }
    }

    // True when it is gone, false when its time is not over, null when storage refused; the next run tries again.
    private async Task<bool?> TryExpireAsync(IExpiring kind, Expiry entry, DateTimeOffset now, CancellationToken cancellationToken)
    {
        try
        {
            var later = await kind.ExpireAsync(entry, now, cancellationToken);
            if (later is { } at)
            {
                await _index.AddAsync(kind.Kind, entry.Tenant, entry.Id, at > entry.At ? at : now, cancellationToken);
            }

            // Checkpoint: the thing is gone, or has its next entry. A crash before this looks at it again.
            await _index.RemoveAsync(entry, cancellationToken);
            return later is null;
        }
        catch (RequestFailedException e)
        {
            LogStuck(e, kind.Kind, entry.Id);
            return null;
        }
    }

    [LoggerMessage(LogLevel.Information, "Retention: {Removed} removed of kind {Kind}, {Stuck} could not be")]
    private partial void LogSwept(int removed, string kind, int stuck);

    [LoggerMessage(LogLevel.Warning, "Retention: {Kind} {Id} could not be removed; the next run tries again")]
    private partial void LogStuck(Exception exception, string kind, string id);
}
