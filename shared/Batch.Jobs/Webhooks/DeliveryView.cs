using System.Text;
using System.Text.Json.Serialization;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// A delivery as its tenant sees it: <see cref="EventId"/> is the header webhook-id; <see cref="Payload"/>, which a list leaves out, is the body as
/// it is sent. Times are Unix seconds.
/// </summary>
/// <param name="Id">del_ and an id.</param>
/// <param name="Kind">Always webhook_delivery.</param>
/// <param name="EndpointId">The endpoint it goes to; absent where a job or batch named the address.</param>
/// <param name="Url">The address that a job or batch named; absent for an endpoint.</param>
/// <param name="EventId">The header webhook-id: the same in every attempt and replay.</param>
/// <param name="EventType">The type of the event.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="Test">It was asked for to try the endpoint.</param>
/// <param name="CreatedAt">When the event was.</param>
/// <param name="NextAttemptAt">When it is attempted next, while it is pending.</param>
/// <param name="Attempts">The latest, in order.</param>
/// <param name="ContentType">Of the body.</param>
/// <param name="Payload">The body as it is sent; absent in a list.</param>
public sealed record DeliveryView(
    string Id,
    [property: JsonPropertyName("object")] string Kind,
    string? EndpointId,
    string? Url,
    string EventId,
    string EventType,
    WebhookState Status,
    bool Test,
    long CreatedAt,
    long? NextAttemptAt,
    IReadOnlyList<AttemptView> Attempts,
    string ContentType,
    string? Payload)
{
    public static DeliveryView Of(Delivery delivery) => Of(delivery, null);

    public static DeliveryView Of(Delivery delivery, byte[]? body) => new(
        delivery.Id,
        "webhook_delivery",
        delivery.EndpointId,
        delivery.Url,
        delivery.EventId,
        delivery.EventType,
        delivery.State,
        delivery.IsTest,
        delivery.CreatedAt.ToUnixTimeSeconds(),
        delivery.State == WebhookState.Pending ? delivery.NextAttemptAt?.ToUnixTimeSeconds() : null,
        [.. delivery.ReadHistory().Select(AttemptView.Of)],
        delivery.ContentType,
        body is null ? null : Encoding.UTF8.GetString(body));
}

/// <summary>One attempt; its latest are kept. Without a status code no answer came.</summary>
/// <param name="Number">From 1.</param>
/// <param name="At">When it began.</param>
/// <param name="StatusCode">What the receiver answered; absent where no answer came.</param>
/// <param name="DurationMs">How long it took, in milliseconds.</param>
/// <param name="Error">What went wrong, where it failed.</param>
public sealed record AttemptView(int Number, long At, int? StatusCode, int DurationMs, string? Error)
{
    public static AttemptView Of(DeliveryAttempt attempt) => new(attempt.Number, attempt.At.ToUnixTimeSeconds(), attempt.StatusCode, attempt.DurationMs, attempt.Error);
}
