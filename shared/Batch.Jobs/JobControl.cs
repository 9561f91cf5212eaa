using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Events;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs;

/// <summary>What people do to jobs that exist.</summary>
public sealed class JobControl(JobStore store, JobIntake intake, EventPublisher events, AuditLog audit, TimeProvider time)
{
    private const int MostLookedAt = 5000;
    private static readonly TimeSpan Later = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Ends a waiting job now; a running one within about a second, its text so far kept. Gives the job back as it is, finished ones
    /// unchanged.
    /// </summary>
    public async Task<Job?> CancelAsync(string id, Caller caller, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(id, caller.Tenant, cancellationToken) is not { } job)
        {
            return null;
        }

        await audit.CancelledAsync(job, caller, cancellationToken);
        job = await store.UpdateAsync(job, row => row.Cancel(time.GetUtcNow()), cancellationToken);

        // A crash before this publishes later: the job's message is still on the queue and finds the event pending.
        return job.IsFinished ? await events.PublishAsync(job, cancellationToken) : job;
    }

    /// <summary>Lets a failed job run again under its id and seed. Its event, should it fail again, has the same id as before.</summary>
    public async Task<Job?> ReplayAsync(string id, Caller caller, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(id, caller.Tenant, cancellationToken) is not { } job)
        {
            return null;
        }

        return await ReplayAsync(job, cancellationToken);
    }

    /// <summary>Lets failed jobs of a tenant run again, as long as the filter's limit goes.</summary>
    public async Task<ReplayedJobs> ReplayAsync(ReplayFilter filter, Caller caller, CancellationToken cancellationToken)
    {
        var (replayed, looked, last) = (new List<string>(), 0, filter.After);
        var after = filter.After is null ? null : await store.FindAsync(filter.After, filter.Tenant, cancellationToken)
            ?? throw new InvalidJobException(JobErrorCode.InvalidRequest, "after must be the id of a job", "after");
        await foreach (var job in store.ListAsync(filter.Tenant, after, cancellationToken))
        {
            if (job.CreatedAt < filter.Since)
            {
                break;
            }

            if (replayed.Count == filter.Limit || looked++ == MostLookedAt)
            {
                return new ReplayedJobs(replayed, true, last);
            }

            if (job.State == JobState.Failed && (filter.Code is null || job.ErrorCode == filter.Code))
            {
                await ReplayAsync(job, cancellationToken);
                replayed.Add(job.Id);
            }

            last = job.Id;
        }

        return new ReplayedJobs(replayed, false, null);
    }

    private async Task<Job> ReplayAsync(Job job, CancellationToken cancellationToken)
    {
        if (job.State != JobState.Failed)
        {
            return job;
        }

        // A message that comes later goes ahead of the row: a crash after the row, before its message, would leave the job waiting for none.
        await intake.EnqueueAsync(job, Later, cancellationToken);
        job = await store.UpdateAsync(job, row => row.Replay(), cancellationToken);
        await intake.EnqueueAsync(job, cancellationToken);
        return job;
    }
}
