using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs;

/// <summary>
/// Sees each minute to jobs whose submission died between row and message, which would otherwise rest for ever. Any number may sweep at once; all it does is
/// safe to do twice.
/// </summary>
public sealed partial class JobSweep(JobStore store, JobQueues queues, JobIntake intake, TimeProvider time, ILogger<JobSweep> logger)
{
    // Also what clocks of replicas and storage may differ by.
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private const int MostJobs = 20_000;
    private const int AtOnce = 8;

    /// <summary>
    /// A job that is older than the first message of the queue and was never begun has no message, and gets one. Each job is looked at once in its life: what
    /// was made before the mark has been.
    /// </summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        var mark = await store.FindSweepMarkAsync(time.GetUtcNow() - Hour, cancellationToken);
        var until = time.GetUtcNow() - Patience;
        if (await queues.FindOldestJobAsync(cancellationToken) is { } first && first - Patience < until)
        {
            until = first - Patience;
        }

        var (seen, last) = (0, until);
        await Parallel.ForEachAsync(
            store.ListMadeAsync(mark.At, until, cancellationToken).Take(MostJobs), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (made, token) =>
            {
                if (Interlocked.Increment(ref seen) == MostJobs)
                {
                    last = made.At; // and those beside it once more
                }

                if (await store.FindAsync(made.Id, made.Tenant, token) is { State: JobState.Queued, Epoch: 0 } job)
                {
                    LogForgotten(job.Id);
                    await intake.EnqueueAsync(job, token);
                }
            });
        if (last > mark.At)
        {
            // Checkpoint: the mark. A crash before it looks at the same jobs again.
            await store.TryWriteSweepMarkAsync(mark with { At = last }, cancellationToken);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Job {JobId} had no message; it has one now")]
    private partial void LogForgotten(string jobId);
}
