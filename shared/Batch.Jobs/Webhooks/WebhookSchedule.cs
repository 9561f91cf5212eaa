using System.Security.Cryptography;
using System.Text;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>When a webhook that failed is tried again: Standard Webhooks' ladder, over about three days.</summary>
internal static class WebhookSchedule
{
    private static readonly TimeSpan[] Delays =
    [
        TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(5),
        TimeSpan.FromHours(10), TimeSpan.FromHours(14), TimeSpan.FromHours(20), TimeSpan.FromHours(24),
    ];

    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1.5);

    public static int LastAttempt => Delays.Length + 1;

    /// <summary>The wait after an attempt that ended so; null where there is none to come.</summary>
    public static TimeSpan? DelayAfter(int attempt, string eventId, WebhookOutcome outcome) =>
        outcome.MayRetry ? DelayAfter(attempt, eventId, outcome.RetryAfter) : null;

    public static WebhookState StateAfter(WebhookOutcome outcome, TimeSpan? delay) =>
        outcome.Error is null ? WebhookState.Delivered : delay is null ? WebhookState.Failed : WebhookState.Pending;

    /// <summary>
    /// The wait after <paramref name="attempt"/> (from 1) failed; null after the last. Up to a fifth longer than the ladder's step, by a
    /// share that follows from the event and the attempt, so that many hooks that failed together do not return together; and at least what
    /// the receiver asked for.
    /// </summary>
    public static TimeSpan? DelayAfter(int attempt, string eventId, TimeSpan? retryAfter)
    {
        if (attempt >= LastAttempt)
        {
            return null;
        }

        var share = SHA256.HashData(Encoding.UTF8.GetBytes($"{eventId}#{attempt}"))[0] / 255d;
        var delay = Delays[Math.Max(attempt, 1) - 1] * (1 + (share / 5));
        var asked = retryAfter > LongestWait ? LongestWait : retryAfter ?? TimeSpan.Zero;
        return delay > asked ? delay : asked;
    }
}
