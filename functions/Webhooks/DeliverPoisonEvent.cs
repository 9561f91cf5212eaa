using Azure.Storage.Queues.Models;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Batch.Jobs.Webhooks;

namespace Batch.Functions.Webhooks;

/// <summary>Notes an attempt that could not be made as often as host.json allows; the delivery goes on with its next one.</summary>
public sealed class DeliverPoisonEvent(QueueConsumer consumer, WebhookSender webhooks)
{
    [Function(nameof(DeliverPoisonEvent))]
    public Task RunAsync([QueueTrigger(JobQueues.PoisonWebhooks)] QueueMessage message, CancellationToken cancellationToken) =>
        consumer.RunAsync(JobQueues.PoisonWebhooks, message, webhooks.GiveUpAsync, cancellationToken);
}
