using Azure.Core;
using Azure.Messaging.EventGrid;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Events;

/// <summary>
/// Where the events of jobs and batches go: the queue <c>batch-events</c>, the Event Grid topic where one is set, and the webhooks' queue.
/// Whatever fails is thrown; the event then stays pending and goes everywhere again, under the same id.
/// </summary>
public sealed class EventSink(JobQueues queues, EventGridPublisherClient? topic)
{
    public static EventSink Create(JobQueues queues, EventGridOptions options, TokenCredential credential) =>
        new(queues, options.Topic is { } endpoint ? new EventGridPublisherClient(endpoint, credential) : null);

    /// <param name="cloudEvent">One CloudEvent in structured mode, as JSON in UTF-8.</param>
    /// <param name="cancellationToken">Ends the sending.</param>
    public async Task SendAsync(ReadOnlyMemory<byte> cloudEvent, CancellationToken cancellationToken)
    {
        // The queue first: its readers do not wait for a topic that is away.
        await queues.SendEventAsync(cloudEvent, cancellationToken);
        if (topic is not null)
        {
            await topic.SendEncodedCloudEventsAsync((byte[])[(byte)'[', .. cloudEvent.Span, (byte)']'], cancellationToken);
        }
    }

    public Task EnqueueWebhookAsync(Job job, CancellationToken cancellationToken) =>
        queues.EnqueueWebhookAsync(job, attempt: 1, TimeSpan.Zero, cancellationToken);

    public Task EnqueueBatchWebhookAsync(string tenant, string batchId, CancellationToken cancellationToken) =>
        queues.EnqueueBatchWebhookAsync(tenant, batchId, attempt: 1, TimeSpan.Zero, cancellationToken);
}
