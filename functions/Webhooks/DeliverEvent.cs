using Azure.Storage.Queues.Models;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Batch.Jobs.Webhooks;

namespace Batch.Functions.Webhooks;

/// <summary>Makes one attempt of a delivery.</summary>
public sealed class DeliverEvent(QueueConsumer consumer, WebhookSender webhooks)
{
    [Function(nameof(DeliverEvent))]
    public Task RunAsync([QueueTrigger(JobQueues.Webhooks)] QueueMessage message, CancellationToken cancellationToken) =>
        consumer.RunAsync(JobQueues.Webhooks, message, webhooks.DeliverAsync, cancellationToken);
}
