using Azure.Storage.Queues.Models;
using Batch.Jobs.Batches;
using Batch.Jobs.Telemetry;

namespace Batch.Functions.Batches;

/// <summary>Runs a slice of a batch. host.json says how many at once; the engine batches their lines.</summary>
public sealed class ProcessLines(QueueConsumer consumer, SliceProcessor slices)
{
    [Function(nameof(ProcessLines))]
    public Task RunAsync([QueueTrigger(BatchQueues.Lines)] QueueMessage message, CancellationToken cancellationToken) =>
        consumer.RunAsync(BatchQueues.Lines, message, slices.ProcessAsync, cancellationToken);
}
