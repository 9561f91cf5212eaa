using Azure.Storage.Queues.Models;
using Batch.Jobs.Batches;

namespace Batch.Functions.Batches;

/// <summary>Runs a slice of a batch. host.json says how many at once; the engine batches their lines.</summary>
public sealed class ProcessLines(SliceProcessor slices)
{
    [Function(nameof(ProcessLines))]
    public Task RunAsync([QueueTrigger(BatchQueues.Lines)] QueueMessage message, CancellationToken cancellationToken) =>
        slices.ProcessAsync(message, cancellationToken);
}
