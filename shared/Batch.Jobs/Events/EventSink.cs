using Azure.Core;
using Azure.Messaging.EventGrid;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Events;

/// <summary>
/// Where every event goes: the queue <c>batch-events</c>, the webhooks that want it, and the Event Grid topic where one is set. Whatever fails
/// is thrown; the event then stays pending and goes everywhere again, under the same id.
/// </summary>
public sealed class EventSink(JobQueues queues, WebhookFanOut webhooks, EventFormat format, EventGridPublisherClient? topic)
{
    // A queue's message holds 64 KiB of base64, a topic's event 64 KiB.
    private const int LargestEvent = 48_000;

    public static EventSink Create(JobQueues queues, WebhookFanOut webhooks, EventFormat format, EventGridOptions options, TokenCredential credential) =>
        new(queues, webhooks, format, options.Topic is { } endpoint ? new EventGridPublisherClient(endpoint, credential) : null);

    /// <param name="told">What happened.</param>
    /// <param name="callback">The webhook that the object itself named, if it did.</param>
    /// <param name="cancellationToken">Ends the sending.</param>
    public async Task SendAsync(TenantEvent told, Callback? callback, CancellationToken cancellationToken)
    {
        var cloudEvent = format.CloudEvent(told, LargestEvent);

        // The topic last: nobody else waits for one that is away.
        await queues.SendEventAsync(cloudEvent, cancellationToken);
        await webhooks.SendAsync(told, callback, cancellationToken);
        if (topic is not null)
        {
            await topic.SendEncodedCloudEventsAsync((byte[])[(byte)'[', .. cloudEvent.Span, (byte)']'], cancellationToken);
        }
    }
}
