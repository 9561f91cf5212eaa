using System.Text.Json;
using Azure.Storage.Queues.Models;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// Makes the attempts of deliveries, one for each message. An attempt that failed leaves a message that becomes visible when the next is due; the
/// last leaves the delivery failed, to be replayed by hand.
/// </summary>
public sealed partial class WebhookSender(
    DeliveryStore deliveries, WebhookTargets targets, WebhookCalls calls, JobQueues queues, TimeProvider time, ILogger<WebhookSender> logger)
{
    private static readonly TimeSpan Spread = TimeSpan.FromSeconds(30);

    public async Task DeliverAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var (asked, delivery) = await ReadAsync(message, cancellationToken);
        if (delivery is null || !delivery.Awaits(asked.Attempt, asked.IsReplay))
        {
            return; // made before, or deleted since
        }

        var now = time.GetUtcNow();
        if (await targets.FindAsync(delivery, now, cancellationToken) is not { } target)
        {
            return;
        }

        // Somebody makes this attempt, or died at it; or the endpoint is to be spared, or its receiver is busy enough: the same attempt later.
        var later = delivery.ClaimedUntil > now ? delivery.ClaimedUntil : SparedUntil(target, delivery, asked, now);
        using var turn = later is null ? calls.TryBegin(target, out later) : null;
        var claimed = later is null ? await deliveries.TryWriteAsync(delivery, delivery.Claim(asked.IsReplay, now), cancellationToken) : null;
        if (claimed is null)
        {
            await queues.EnqueueDeliveryAsync(asked, (later ?? now + Delivery.ClaimTime) - now, cancellationToken);
            return;
        }

        var began = time.GetTimestamp();
        var outcome = target.Refusal is { } refusal
            ? new WebhookOutcome(refusal, MayRetry: false)
            : await calls.PostAsync(target, claimed, await deliveries.ReadBodyAsync(claimed, cancellationToken), cancellationToken);
        await RecordAsync(asked, claimed, target, outcome, time.GetElapsedTime(began), cancellationToken);
    }

    /// <summary>
    /// For a message that was delivered as often as host.json allows: something here fails, not the receiver. It counts as an attempt of the
    /// delivery's ladder and says nothing of the endpoint.
    /// </summary>
    public async Task GiveUpAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var (asked, delivery) = await ReadAsync(message, cancellationToken);
        if (delivery is null || !delivery.Awaits(asked.Attempt, asked.IsReplay))
        {
            return;
        }

        var now = time.GetUtcNow();
        var claimed = await deliveries.TryWriteAsync(delivery, delivery.Claim(asked.IsReplay, now), cancellationToken);
        if (claimed is not null)
        {
            var outcome = new WebhookOutcome("the attempt could not be made, for a fault on the sender's side");
            await RecordAsync(asked, claimed, WebhookTarget.Nowhere, outcome, TimeSpan.Zero, cancellationToken);
        }
    }

    private async Task RecordAsync(
        DeliveryMessage asked, Delivery delivery, WebhookTarget target, WebhookOutcome outcome, TimeSpan took, CancellationToken cancellationToken)
    {
        target = await targets.NoteAsync(target, delivery, outcome, cancellationToken);
        var wait = WaitAfter(delivery, target, outcome);
        if (wait is { } delay)
        {
            // Before the row: a crash between them makes this attempt twice, under one webhook-id; the other order could lose all further
            // attempts.
            await queues.EnqueueDeliveryAsync(asked with { Attempt = asked.Attempt + 1, IsReplay = false }, delay, cancellationToken);
        }

        var attempt = new DeliveryAttempt(asked.Attempt, time.GetUtcNow(), outcome.StatusCode, (int)took.TotalMilliseconds, outcome.Error);
        await targets.ShowAsync(delivery.Record(attempt, wait), cancellationToken);

        // Checkpoint: the delivery. Until it is written the attempt is open, and all above is done again with it.
        var recorded = await deliveries.UpdateAsync(delivery, row => row.Record(attempt, wait), cancellationToken);
        LogAttempted(delivery.Id, delivery.EventId, asked.Attempt, recorded?.State, outcome.Error);
    }

    private static DateTimeOffset? SparedUntil(WebhookTarget target, Delivery delivery, DeliveryMessage asked, DateTimeOffset now) =>
        target is { Refusal: null, Endpoint.ThrottledUntil: { } until } && until > now && !asked.IsReplay
            ? until + (Spread * WebhookSchedule.Share(delivery.Id, asked.Attempt))
            : null;

    private TimeSpan? WaitAfter(Delivery delivery, WebhookTarget target, WebhookOutcome outcome)
    {
        if (delivery.IsTest || target.Endpoint is { IsEnabled: false })
        {
            return null;
        }

        var wait = WebhookSchedule.DelayAfter(delivery.Step + 1, delivery.Id, outcome);
        var spared = target.Endpoint?.ThrottledUntil - time.GetUtcNow();
        return wait < spared ? spared + (Spread * WebhookSchedule.Share(delivery.Id, delivery.Attempts)) : wait;
    }

    private async Task<(DeliveryMessage Asked, Delivery? Delivery)> ReadAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var asked = message.Body.ToObjectFromJson<DeliveryMessage>();
        return asked is { Log: not null, DeliveryId: not null }
            ? (asked, await deliveries.FindAsync(asked.Log, asked.DeliveryId, cancellationToken))
            : throw new JsonException("a message on batch-webhooks must be {log, delivery, attempt}");
    }

    [LoggerMessage(LogLevel.Information, "Delivery {DeliveryId} of event {EventId}, attempt {Attempt}: {State}, error {Error}")]
    private partial void LogAttempted(string deliveryId, string eventId, int attempt, WebhookState? state, string? error);
}
