using Azure.Storage.Queues.Models;
using Batch.Jobs;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Functions;

/// <summary>Fails the job whose message was delivered as often as host.json allows. Its message is kept on batch-jobs-failed, for an operator to replay the job.</summary>
public sealed class ProcessPoisonJob(QueueConsumer consumer, JobProcessor processor)
{
    [Function(nameof(ProcessPoisonJob))]
    public Task RunAsync([QueueTrigger(JobQueues.PoisonJobs)] QueueMessage message, CancellationToken cancellationToken) =>
        consumer.RunAsync(JobQueues.PoisonJobs, message, processor.GiveUpAsync, cancellationToken);
}
