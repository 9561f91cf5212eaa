using Batch.Jobs.Retention;

namespace Batch.Functions;

/// <summary>Every five minutes: removes what was kept long enough.</summary>
public sealed class SweepExpired(Sweeper sweeper)
{
    [Function(nameof(SweepExpired))]
    public Task RunAsync([TimerTrigger("30 */5 * * * *")] TimerInfo timer, CancellationToken cancellationToken) => sweeper.SweepAsync(cancellationToken);
}
