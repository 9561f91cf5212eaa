using System.Globalization;
using System.Net.Http.Headers;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Webhooks;

/// <summary>Makes one attempt at a webhook, signed by Standard Webhooks 1.0, and judges the answer: 2xx alone is success.</summary>
public sealed class WebhookCalls(HttpClient http, IOptions<WebhookOptions> options, JobMetrics metrics, TimeProvider time)
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    internal async Task<WebhookOutcome> PostAsync(
        string url, string eventId, string contentType, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var outcome = await SendAsync(url, eventId, contentType, body, cancellationToken);
        metrics.WebhookAttempted(outcome.Error is null ? "delivered" : "failed");
        return outcome;
    }

    private async Task<WebhookOutcome> SendAsync(
        string url, string eventId, string contentType, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        using var request = Create(url, eventId, contentType, body);
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            return Judge(response);
        }
        catch (HttpRequestException e) when (e.InnerException is WebhookAddressException refused)
        {
            return new WebhookOutcome(refused.Message, MayRetry: false);
        }
        catch (HttpRequestException e)
        {
            return new WebhookOutcome($"the receiver was not reached: {Job.Clip(e.Message)}");
        }
        catch (TaskCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new WebhookOutcome($"the receiver did not answer within {Timeout.TotalSeconds} s");
        }
    }

    // The body and the webhook-id are the same for every attempt.
    private HttpRequestMessage Create(string url, string eventId, string contentType, ReadOnlyMemory<byte> body)
    {
        var now = time.GetUtcNow();
        var content = new ReadOnlyMemoryContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(contentType, "utf-8");
        var request = new HttpRequestMessage(HttpMethod.Post, url)
        {
            Content = content,
            Headers =
            {
                { "webhook-id", eventId },
                { "webhook-timestamp", now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture) },
                { "webhook-signature", WebhookSignature.Sign(options.Value.Keys, eventId, now, body.Span) },
            },
        };
        if (Tracing.Current is { } traceparent)
        {
            request.Headers.Add("traceparent", traceparent);
        }

        return request;
    }

    private static WebhookOutcome Judge(HttpResponseMessage response)
    {
        var status = (int)response.StatusCode;
        var retryAfter = response.Headers.RetryAfter is { } header ? header.Delta ?? header.Date - response.Headers.Date : null;
        return status switch
        {
            >= 200 and < 300 => new WebhookOutcome(null, MayRetry: false),
            >= 300 and < 400 => new WebhookOutcome($"the receiver answered {status}: redirects are not followed"),
            410 => new WebhookOutcome("the receiver answered 410: it wants no more", MayRetry: false),
            429 or 502 or 503 or 504 => new WebhookOutcome($"the receiver answered {status}", RetryAfter: retryAfter),
            _ => new WebhookOutcome($"the receiver answered {status}, wanted 2xx"),
        };
    }
}

/// <summary>How an attempt went: no error is success.</summary>
internal sealed record WebhookOutcome(string? Error, bool MayRetry = true, TimeSpan? RetryAfter = null);
