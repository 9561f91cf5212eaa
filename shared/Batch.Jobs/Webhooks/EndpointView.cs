using System.Text.Json.Serialization;

namespace Batch.Jobs.Webhooks;

/// <summary>An endpoint as its tenant sees it; <see cref="Secret"/> only where it is made. Times are Unix seconds.</summary>
/// <param name="Id">we_ and an id.</param>
/// <param name="Kind">Always webhook_endpoint.</param>
/// <param name="Url">Where events go.</param>
/// <param name="Description">For people.</param>
/// <param name="Events">Types by name, beginnings such as batch.*, or *.</param>
/// <param name="Format">The body of events: OpenAI's, or CloudEvents'.</param>
/// <param name="Status">An endpoint is told of what ends while it is enabled.</param>
/// <param name="DisabledReason">Why it is disabled, where it is.</param>
/// <param name="DisabledAt">Since when, where it is.</param>
/// <param name="FailingSince">Since when every attempt has failed, where the latest did.</param>
/// <param name="ThrottledUntil">Its deliveries wait until then, as it asked for.</param>
/// <param name="PreviousSecretUntil">The secret before the last rotation signs beside the new one until then.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="Secret">whsec_ and what signs; only where it is new.</param>
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
