using System.Text.Json;
using Azure.Storage.Queues.Models;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Events;

/// <summary>
/// Delivers a finished job's event to its webhook, signed by Standard Webhooks 1.0: the CloudEvent as body, its id as webhook-id, the same
/// over all attempts. 2xx alone is success; what fails is tried again by a message that becomes visible later, and in the end is marked
/// failed on the job.
/// </summary>
public sealed partial class WebhookSender(
    HttpClient http, WebhookRequests requests, JobStore store, JobQueues queues, JobMetrics metrics, ILogger<WebhookSender> logger)
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    public async Task DeliverAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var (jobId, attempt) = message.Body.ToObjectFromJson<WebhookMessage>()
            ?? throw new JsonException("a message on batch-webhooks must be {jobId, attempt}, was null");
        var job = await store.FindAsync(jobId, cancellationToken);
        if (job is not { WebhookUrl: not null, IsFinished: true } || job.WebhookState is WebhookState.Delivered or WebhookState.Failed)
        {
            return;
        }

        var outcome = await SendAsync(job, cancellationToken);
        var delay = outcome.MayRetry ? WebhookSchedule.DelayAfter(attempt, job.EventId, outcome.RetryAfter) : null;
        if (delay is { } wait)
        {
            // Before the row: a crash between them sends this attempt twice, under one webhook-id; the other order could lose all further
            // attempts.
            await queues.EnqueueWebhookAsync(jobId, attempt + 1, wait, cancellationToken);
        }

        var state = outcome.Error is null ? WebhookState.Delivered : delay is null ? WebhookState.Failed : WebhookState.Pending;
        await store.UpdateAsync(
            job,
            row => row.WebhookState == WebhookState.Delivered ? row : row with
            {
                WebhookState = state,
                WebhookAttempts = Math.Max(attempt, row.WebhookAttempts),
                WebhookLastError = outcome.Error,
            },
            cancellationToken);
        metrics.WebhookAttempted(state.ToString());
        LogAttempted(jobId, attempt, state, outcome.Error);
    }

    private async Task<Outcome> SendAsync(Job job, CancellationToken cancellationToken)
    {
        using var request = requests.Create(job);
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            return Judge(response);
        }
        catch (HttpRequestException e) when (e.InnerException is WebhookAddressException refused)
        {
            return new Outcome(refused.Message, MayRetry: false);
        }
        catch (HttpRequestException e)
        {
            return new Outcome($"the receiver was not reached: {Job.Clip(e.Message)}");
        }
        catch (TaskCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new Outcome($"the receiver did not answer within {Timeout.TotalSeconds} s");
        }
    }

    private static Outcome Judge(HttpResponseMessage response)
    {
        var status = (int)response.StatusCode;
        var retryAfter = response.Headers.RetryAfter is { } header ? header.Delta ?? header.Date - response.Headers.Date : null;
        return status switch
        {
            >= 200 and < 300 => new Outcome(null, MayRetry: false),
            >= 300 and < 400 => new Outcome($"the receiver answered {status}: redirects are not followed"),
            410 => new Outcome("the receiver answered 410: it wants no more", MayRetry: false),
            429 or 502 or 503 or 504 => new Outcome($"the receiver answered {status}", RetryAfter: retryAfter),
            _ => new Outcome($"the receiver answered {status}, wanted 2xx"),
        };
    }

    private sealed record Outcome(string? Error, bool MayRetry = true, TimeSpan? RetryAfter = null);

    [LoggerMessage(LogLevel.Information, "Webhook of job {JobId}, attempt {Attempt}: {State}, error {Error}")]
    private partial void LogAttempted(string jobId, int attempt, WebhookState state, string? error);
}
