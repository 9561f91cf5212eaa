using System.Collections.Concurrent;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs;

/// <summary>
/// Keeps submissions out that would wait behind too many. All that waits is the queue's length; a tenant's are its jobs that are younger than the first
/// message of the queue, since what is older was taken: no count is kept anywhere that could be wrong for long. Counts are of a few seconds ago, with what
/// this process has let in since, so the caps may be passed by what other replicas let in meanwhile.
/// </summary>
public sealed class WaitingRoom(JobStore store, JobQueues queues, IOptions<JobsOptions> options, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Skew = TimeSpan.FromSeconds(30); // of the clocks of replicas and storage
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, Count> _tenants = new(StringComparer.Ordinal);
    private Count? _all;

    /// <summary>
    /// Lets one more of the tenant in, or throws <see cref="InvalidJobException"/> of code queue_full. One that <paramref name="isIn"/> already may come again.
    /// </summary>
    public async Task EnterAsync(string tenant, Func<Task<bool>> isIn, CancellationToken cancellationToken)
    {
        if (await TryEnterAsync(tenant, cancellationToken) is { } full && !await isIn())
        {
            throw full;
        }
    }

    private async Task<InvalidJobException?> TryEnterAsync(string tenant, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (_all is not { } all || now - all.At > Fresh)
        {
            _all = all = new Count(now, await queues.CountJobsAsync(cancellationToken));
        }

        if (Full(all, options.Value.MaxWaiting, "all tenants'") is { } allFull)
        {
            return allFull;
        }

        if (all.Waiting < options.Value.MaxWaitingPerTenant)
        {
            // Fewer than that wait altogether.
            Interlocked.Increment(ref all.Waiting);
            return null;
        }

        if (!_tenants.TryGetValue(tenant, out var own) || now - own.At > Fresh)
        {
            var first = await queues.FindOldestJobAsync(cancellationToken);
            _tenants[tenant] = own = new Count(now, first is null ? 0 : await store.CountMadeSinceAsync(tenant, first.Value - Skew, options.Value.MaxWaitingPerTenant, cancellationToken));
        }

        if (Full(own, options.Value.MaxWaitingPerTenant, "your") is { } ownFull)
        {
            return ownFull;
        }

        Interlocked.Increment(ref all.Waiting);
        Interlocked.Increment(ref own.Waiting);
        return null;
    }

    private static InvalidJobException? Full(Count count, int most, string whose) => Volatile.Read(ref count.Waiting) < most
        ? null
        : new InvalidJobException(JobErrorCode.QueueFull, $"{whose} waiting jobs are at most {most}, and there are as many; submit again later") { RetryAfter = RetryAfter };

    private sealed class Count(DateTimeOffset at, int waiting)
    {
        public DateTimeOffset At => at;

        public int Waiting = waiting;
    }
}
