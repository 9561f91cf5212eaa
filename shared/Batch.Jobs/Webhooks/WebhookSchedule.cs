using System.Security.Cryptography;
using System.Text;

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
    public static TimeSpan? DelayAfter(int attempt, string deliveryId, WebhookOutcome outcome) =>
        outcome.Error is not null && outcome.MayRetry ? DelayAfter(attempt, deliveryId, outcome.RetryAfter) : null;

    /// <summary>
    /// The wait after <paramref name="attempt"/> (from 1) failed; null after the last. Up to a fifth longer than the ladder's step, by a
    /// share that follows from the delivery and the attempt, so that many hooks that failed together do not return together; and at least what
    /// the receiver asked for.
    /// </summary>
    public static TimeSpan? DelayAfter(int attempt, string deliveryId, TimeSpan? retryAfter)
    {
        if (attempt >= LastAttempt)
        {
            return null;
        }

        var delay = Delays[Math.Max(attempt, 1) - 1] * (1 + (Share(deliveryId, attempt) / 5));
        var asked = retryAfter > LongestWait ? LongestWait : retryAfter ?? TimeSpan.Zero;
        return delay > asked ? delay : asked;
    }

    /// <summary>Between 0 and 1, the same for one attempt of one delivery.</summary>
    public static double Share(string deliveryId, int attempt) => SHA256.HashData(Encoding.UTF8.GetBytes($"{deliveryId}#{attempt}"))[0] / 255d;
}
