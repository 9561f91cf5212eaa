using Batch.Jobs.Batches;

namespace Batch.Functions.Batches;

/// <summary>Each minute: asks for the dispatcher's turn where a process that died had it in hand.</summary>
public sealed class WatchBatches(BatchDispatcher dispatcher)
{
    [Function(nameof(WatchBatches))]
    public Task RunAsync([TimerTrigger("0 * * * * *")] TimerInfo timer, CancellationToken cancellationToken) =>
        dispatcher.WatchAsync(cancellationToken);
}
