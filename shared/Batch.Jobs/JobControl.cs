using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Events;
using Batch.Jobs.Storage;

namespace Batch.Jobs;

/// <summary>What people do to jobs that exist.</summary>
public sealed class JobControl(JobStore store, JobIntake intake, EventPublisher events, AuditLog audit, TimeProvider time)
{
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

        await audit.CancelledAsync(job, caller.Name, cancellationToken);
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

        job = await store.UpdateAsync(job, row => row.Replay(), cancellationToken);
        if (job.State == JobState.Queued)
        {
            await intake.EnqueueAsync(job, cancellationToken);
        }

        return job;
    }
}
