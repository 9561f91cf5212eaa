using System.Text.Json.Serialization;

namespace Batch.Jobs.Webhooks;

/// <summary>An endpoint as its tenant sees it; <see cref="Secret"/> only where it is made. Times are Unix seconds.</summary>
public sealed record EndpointView(
    string Id,
    [property: JsonPropertyName("object")] string Kind,
    string Url,
    string? Description,
    IReadOnlyList<string> Events,
    WebhookFormat Format,
    EndpointStatus Status,
    string? DisabledReason,
    long? DisabledAt,
    long? FailingSince,
    long? ThrottledUntil,
    long? PreviousSecretUntil,
    long CreatedAt,
    string? Secret)
{
    public static EndpointView Of(WebhookEndpoint endpoint, DateTimeOffset now, string? secret = null) => new(
        endpoint.Id,
        "webhook_endpoint",
        endpoint.Url,
        endpoint.Description,
        endpoint.Events.Split(' '),
        endpoint.Format,
        endpoint.IsEnabled ? EndpointStatus.Enabled : EndpointStatus.Disabled,
        endpoint.DisabledReason,
        endpoint.DisabledAt?.ToUnixTimeSeconds(),
        endpoint.FailingSince?.ToUnixTimeSeconds(),
        endpoint.ThrottledUntil > now ? endpoint.ThrottledUntil?.ToUnixTimeSeconds() : null,
        endpoint.PreviousUntil > now ? endpoint.PreviousUntil?.ToUnixTimeSeconds() : null,
        endpoint.CreatedAt.ToUnixTimeSeconds(),
        secret);
}

public enum EndpointStatus
{
    Enabled,
    Disabled,
}
