using Azure.Storage.Queues.Models;
using Batch.Jobs.Batches;

namespace Batch.Functions.Batches;

/// <summary>Fails a batch that could not be validated, and has the dispatcher go on.</summary>
public sealed class DispatchPoisonBatches(BatchDispatcher dispatcher)
{
    [Function(nameof(DispatchPoisonBatches))]
    public Task RunAsync([QueueTrigger(BatchQueues.PoisonDispatch)] QueueMessage message, CancellationToken cancellationToken) =>
        dispatcher.GiveUpAsync(message, cancellationToken);
}
