using Batch.Jobs;

namespace Batch.Functions;

/// <summary>Each minute: jobs whose submission died before their message, and messages that could not be given up.</summary>
public sealed class SweepJobs(JobSweep sweep)
{
    [Function(nameof(SweepJobs))]
    public Task RunAsync([TimerTrigger("15 * * * * *")] TimerInfo timer, CancellationToken cancellationToken) => sweep.SweepAsync(cancellationToken);
}
