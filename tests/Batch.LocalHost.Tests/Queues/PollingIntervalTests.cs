using Batch.LocalHost.Queues;

namespace Batch.LocalHost.Tests.Queues;

public sealed class PollingIntervalTests
{
    [Fact]
    public void Next_DoublesWithinAFifthUpToTheCeiling_UntilReset()
    {
        var polling = new PollingInterval(TimeSpan.FromSeconds(1), new Random(7));

        double[] expected = [100, 200, 400, 800];
        foreach (var milliseconds in expected)
        {
            Assert.InRange(polling.Next().TotalMilliseconds, milliseconds * 0.8, milliseconds * 1.2);
        }

        Assert.InRange(polling.Next().TotalMilliseconds, 800, 1000);
        polling.Reset();
        Assert.InRange(polling.Next().TotalMilliseconds, 80, 120);
    }
}
