using Azure.Storage.Queues.Models;
using Batch.Jobs.Batches;
using Batch.Jobs.Telemetry;

namespace Batch.Functions.Batches;

/// <summary>Fails a batch that could not be validated, and has the dispatcher go on.</summary>
public sealed class DispatchPoisonBatches(QueueConsumer consumer, BatchDispatcher dispatcher)
{
    [Function(nameof(DispatchPoisonBatches))]
    public Task RunAsync([QueueTrigger(BatchQueues.PoisonDispatch)] QueueMessage message, CancellationToken cancellationToken) =>
        consumer.RunAsync(BatchQueues.PoisonDispatch, message, dispatcher.GiveUpAsync, cancellationToken);
}
