using System.Globalization;
using System.Net.Http.Headers;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Jobs.Webhooks;

/// <summary>Makes one attempt at a webhook, signed by Standard Webhooks 1.0, and judges the answer: 2xx alone is success.</summary>
public sealed class WebhookCalls(HttpClient http, ReceiverTurns turns, JobMetrics metrics, TimeProvider time)
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    /// <summary>The right to make an attempt now, given back when it is disposed; null where the receiver has too many, and when to come again.</summary>
    internal IDisposable? TryBegin(WebhookTarget target, out DateTimeOffset? later) => turns.TryTake(target.Url, out later);

    /// <summary>Body and event id are the same for every attempt; what is answered beside the status is not read.</summary>
    internal async Task<WebhookOutcome> PostAsync(WebhookTarget target, Delivery delivery, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        using var request = Create(target, delivery, body);
        var outcome = await SendAsync(request, cancellationToken);
        metrics.WebhookAttempted(outcome.Error is null ? "delivered" : "failed");
        return outcome;
    }

    private async Task<WebhookOutcome> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
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
            return new WebhookOutcome($"the receiver did not answer within {Timeout.TotalSeconds} s", Throttles: true);
        }
    }

    private HttpRequestMessage Create(WebhookTarget target, Delivery delivery, ReadOnlyMemory<byte> body)
    {
        var now = time.GetUtcNow();
        var content = new ReadOnlyMemoryContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(delivery.ContentType, "utf-8");
        var request = new HttpRequestMessage(HttpMethod.Post, target.Url)
        {
            Content = content,
            Headers =
            {
                { "webhook-id", delivery.EventId },
                { "webhook-timestamp", now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture) },
                { "webhook-signature", WebhookSignature.Sign(target.Keys, delivery.EventId, now, body.Span) },
            },
        };
        if (Tracing.Current is { } traceparent)
        {
            request.Headers.Add("traceparent", traceparent);
        }

        return request;
    }

    private WebhookOutcome Judge(HttpResponseMessage response)
    {
        var status = (int)response.StatusCode;
        var retryAfter = response.Headers.RetryAfter is { } header ? header.Delta ?? header.Date - (response.Headers.Date ?? time.GetUtcNow()) : null;
        var outcome = status switch
        {
            >= 200 and < 300 => new WebhookOutcome(null, MayRetry: false),
            >= 300 and < 400 => new WebhookOutcome($"the receiver answered {status}: redirects are not followed"),
            410 => new WebhookOutcome("the receiver answered 410: it wants no more", MayRetry: false),
            429 or 502 or 504 => new WebhookOutcome($"the receiver answered {status}", RetryAfter: retryAfter, Throttles: true),
            503 => new WebhookOutcome("the receiver answered 503", RetryAfter: retryAfter, Throttles: retryAfter is not null),
            _ => new WebhookOutcome($"the receiver answered {status}, wanted 2xx"),
        };
        return outcome with { StatusCode = status };
    }
}

/// <summary>How an attempt went: no error is success.</summary>
/// <param name="Throttles">Whether the receiver has too much to do, so that other deliveries had better wait, too.</param>
internal sealed record WebhookOutcome(string? Error, bool MayRetry = true, TimeSpan? RetryAfter = null, bool Throttles = false)
{
    public int? StatusCode { get; init; }
}
