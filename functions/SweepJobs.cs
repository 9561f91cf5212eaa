using Batch.Jobs;

namespace Batch.Functions;

/// <summary>Each minute: jobs whose submission died before their message, and messages that could not be given up.</summary>
public sealed class SweepJobs(JobSweep jobs, PoisonSweep poison)
{
    [Function(nameof(SweepJobs))]
    public async Task RunAsync([TimerTrigger("15 * * * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        await jobs.SweepAsync(cancellationToken);
        await poison.SweepAsync(cancellationToken);
    }
}
