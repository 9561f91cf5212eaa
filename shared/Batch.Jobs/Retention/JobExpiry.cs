using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Retention;

/// <summary>Jobs: the row, its place in the tenant's list, and the blobs of request, progress and result.</summary>
public sealed class JobExpiry(JobStore store, JobQueues queues, IOptions<RetentionOptions> options) : IExpiring
{
    public string Kind => JobStore.ExpiryKind;

    public TimeSpan Life => TimeSpan.FromDays(options.Value.Days);

    public async Task<DateTimeOffset?> ExpireAsync(Expiry entry, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var job = await store.FindAsync(entry.Id, entry.Tenant, cancellationToken);
        var counts = job is null ? entry.At : job.FinishedAt ?? now;
        if (counts + Life > now)
        {
            if (job is { State: JobState.Queued } && !(job.NotBefore > now))
            {
                // So long: its message may never have been sent, where a process died before it. One more does no harm.
                await queues.EnqueueJobAsync(job, TimeSpan.Zero, cancellationToken);
            }

            return counts;
        }

        // Nothing while the row is not final reads the blobs, and a job submitted anew under the id finds the row until the end.
        await store.DeleteBlobsAsync(entry.Tenant, entry.Id, cancellationToken);
        return job is null || await store.TryDeleteAsync(job, cancellationToken) ? null : now;
    }
}
