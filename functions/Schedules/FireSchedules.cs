using Batch.Jobs.Schedules;

namespace Batch.Functions.Schedules;

/// <summary>Runs the schedules that are due, every ten seconds.</summary>
public sealed class FireSchedules(ScheduleRunner runner)
{
    [Function(nameof(FireSchedules))]
    public Task RunAsync([TimerTrigger("*/10 * * * * *")] TimerInfo timer, CancellationToken cancellationToken) => runner.RunDueAsync(cancellationToken);
}
