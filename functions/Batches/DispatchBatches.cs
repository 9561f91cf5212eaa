using Azure.Storage.Queues.Models;
using Batch.Jobs.Batches;
using Batch.Jobs.Telemetry;

namespace Batch.Functions.Batches;

/// <summary>Validates a new batch, then takes a turn at moving all batches along.</summary>
public sealed class DispatchBatches(QueueConsumer consumer, BatchDispatcher dispatcher)
{
    [Function(nameof(DispatchBatches))]
    public Task RunAsync([QueueTrigger(BatchQueues.Dispatch)] QueueMessage message, CancellationToken cancellationToken) =>
        consumer.RunAsync(BatchQueues.Dispatch, message, dispatcher.ProcessAsync, cancellationToken);
}
