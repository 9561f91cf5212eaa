using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests.Webhooks;

public sealed class WebhookScheduleTests
{
    [Theory]
    [InlineData(1, 5, 6)]
    [InlineData(2, 300, 360)]
    [InlineData(9, 86400, 103680)]
    public void DelayAfter_IsTheLaddersStepAndAtMostAFifthMore(int attempt, double atLeast, double atMost)
    {
        for (var delivery = 0; delivery < 100; delivery++)
        {
            Assert.InRange(WebhookSchedule.DelayAfter(attempt, $"del_{delivery}", retryAfter: null)!.Value.TotalSeconds, atLeast, atMost);
        }
    }

    [Fact]
    public void DelayAfter_IsWhatTheReceiverAskedFor_WhenThatIsLonger()
    {
        Assert.Equal(TimeSpan.FromMinutes(2), WebhookSchedule.DelayAfter(1, "del_a", TimeSpan.FromMinutes(2)));
        Assert.Equal(TimeSpan.FromDays(1.5), WebhookSchedule.DelayAfter(1, "del_a", TimeSpan.FromDays(900)));
        Assert.Null(WebhookSchedule.DelayAfter(10, "del_a", TimeSpan.FromMinutes(2)));
    }

    [Fact]
    public void DisableAfterDays_AtItsLeast_OutlastsTheLadder()
    {
        var longest = Enumerable.Range(1, WebhookSchedule.LastAttempt - 1).Sum(attempt => Enumerable.Range(0, 500).Max(d => WebhookSchedule.DelayAfter(attempt, $"del_{d}", retryAfter: null)!.Value.TotalDays));

        Assert.InRange(longest, 3, 4);
    }
}
