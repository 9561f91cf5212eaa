using Azure.Storage.Queues.Models;
using Batch.Jobs;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Functions;

/// <summary>Runs the job that a message names, or is. host.json says how many at once; the engine batches them.</summary>
public sealed class ProcessJob(QueueConsumer consumer, JobProcessor processor)
{
    [Function(nameof(ProcessJob))]
    public Task RunAsync([QueueTrigger(JobQueues.Jobs)] QueueMessage message, CancellationToken cancellationToken) =>
        consumer.RunAsync(JobQueues.Jobs, message, processor.ProcessAsync, cancellationToken);
}
