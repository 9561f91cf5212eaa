using System.Globalization;
using System.Net.Http.Headers;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Events;

/// <summary>
/// The signed request of a finished job's webhook (Standard Webhooks 1.0). Its body and its webhook-id are the same for every attempt.
/// </summary>
public sealed class WebhookRequests(JobEventFormat format, IOptions<WebhookOptions> options, TimeProvider time)
{
    public HttpRequestMessage Create(Job job)
    {
        var now = time.GetUtcNow();
        var body = format.Encode(job);
        var content = new ReadOnlyMemoryContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(JobEventFormat.ContentType, "utf-8");
        return new HttpRequestMessage(HttpMethod.Post, job.WebhookUrl)
        {
            Content = content,
            Headers =
            {
                { "webhook-id", job.EventId },
                { "webhook-timestamp", now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture) },
                { "webhook-signature", WebhookSignature.Sign(options.Value.Keys, job.EventId, now, body.Span) },
            },
        };
    }
}
