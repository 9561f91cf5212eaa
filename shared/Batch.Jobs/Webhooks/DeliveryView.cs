using System.Text;
using System.Text.Json.Serialization;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// A delivery as its tenant sees it: <see cref="EventId"/> is the header webhook-id; <see cref="Payload"/>, which a list leaves out, is the body as
/// it is sent. Times are Unix seconds.
/// </summary>
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
public sealed record AttemptView(int Number, long At, int? StatusCode, int DurationMs, string? Error)
{
    public static AttemptView Of(DeliveryAttempt attempt) => new(attempt.Number, attempt.At.ToUnixTimeSeconds(), attempt.StatusCode, attempt.DurationMs, attempt.Error);
}
