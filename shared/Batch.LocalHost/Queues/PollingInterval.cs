namespace Batch.LocalHost.Queues;

/// <summary>
/// How long to leave an empty queue alone: doubling from 100 ms to a ceiling, each time off by up to a fifth, so that several hosts
/// do not ask together. One per queue, used by its listener only.
/// </summary>
internal sealed class PollingInterval(TimeSpan ceiling, Random random)
{
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(100);

    private TimeSpan _next = Least;

    public void Reset() => _next = Least;

    public TimeSpan Next()
    {
        var interval = _next * (0.8 + 0.4 * random.NextDouble());
        _next = TimeSpan.FromTicks(Math.Min(_next.Ticks * 2, ceiling.Ticks));
        return interval < ceiling ? interval : ceiling;
    }
}
