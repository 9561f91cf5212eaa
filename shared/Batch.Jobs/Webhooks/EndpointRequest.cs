using System.Text.Json;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Webhooks;

/// <summary>The fields of an endpoint that its owner gives, at its creation or to change it; null leaves a field as it is.</summary>
public sealed record EndpointRequest
{
    private const int LongestDescription = 512;

    /// <summary>https at a public address.</summary>
    public string? Url { get; init; }

    /// <summary>For people, at most 512 characters.</summary>
    public string? Description { get; init; }

    /// <summary>As <see cref="EventFilter"/> keeps it.</summary>
    public string? Events { get; init; }

    /// <summary>The body of events: OpenAI's, the default, or CloudEvents'.</summary>
    public WebhookFormat? Format { get; init; }

    /// <summary>Whether it is told of what ends.</summary>
    public bool? IsEnabled { get; init; }

    public static EndpointRequest Parse(ReadOnlyMemory<byte> body, WebhookOptions options)
    {
        using var json = JobRequestParser.ReadJson(body);
        var request = JsonField.Fields(json.RootElement).Aggregate(new EndpointRequest(), (made, field) => field.Name switch
        {
            "url" => made with { Url = JsonField.WebAddress(field) },
            "description" => made with { Description = JsonField.Text(field, LongestDescription) },
            "events" => made with { Events = EventFilter.Read(field) },
            "format" => made with { Format = FormatOf(field) },
            "status" => made with { IsEnabled = StatusOf(field) },
            _ => throw JsonField.Unknown(field),
        });
        if (request.Url is { } url)
        {
            options.RequireReachable(url, "url");
        }

        return request;
    }

    private static WebhookFormat FormatOf(JsonProperty field) => JsonField.Text(field, 32) switch
    {
        "openai" => WebhookFormat.Openai,
        "cloudevents" => WebhookFormat.Cloudevents,
        var other => throw JsonField.Wrong(field, "openai or cloudevents", JsonField.Quote(other)),
    };

    private static bool StatusOf(JsonProperty field) => JsonField.Text(field, 32) switch
    {
        "enabled" => true,
        "disabled" => false,
        var other => throw JsonField.Wrong(field, "enabled or disabled", JsonField.Quote(other)),
    };
}
