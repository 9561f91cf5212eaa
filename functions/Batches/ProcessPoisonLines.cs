using Azure.Storage.Queues.Models;
using Batch.Jobs.Batches;
using Batch.Jobs.Telemetry;

namespace Batch.Functions.Batches;

/// <summary>Gives up the lines of a slice whose message was delivered as often as host.json allows; the batch goes on without them.</summary>
public sealed class ProcessPoisonLines(QueueConsumer consumer, SliceProcessor slices)
{
    [Function(nameof(ProcessPoisonLines))]
    public Task RunAsync([QueueTrigger(BatchQueues.PoisonLines)] QueueMessage message, CancellationToken cancellationToken) =>
        consumer.RunAsync(BatchQueues.PoisonLines, message, slices.GiveUpAsync, cancellationToken);
}
