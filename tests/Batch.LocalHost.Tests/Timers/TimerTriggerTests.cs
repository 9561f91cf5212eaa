using System.Collections.Concurrent;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace Batch.LocalHost.Tests.Timers;

public sealed class TimerTriggerTests
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly WatchedTime _time = new(Noon);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Timer_RunsOnStartupThenAtEachOccurrence_EvenAfterOneThrew()
    {
        var runs = new Runs(run => run.ScheduleStatus!.Last.Minute == 5 ? throw new InvalidOperationException("no") : Task.CompletedTask);
        using var host = await StartAsync(runs);

        await Eventually.TrueAsync(() => runs.Started.Count == 1);
        for (var run = 2; run <= 4; run++)
        {
            await WaitingAsync(delays: run - 1);
            _time.Advance(TimeSpan.FromMinutes(5));
            await Eventually.TrueAsync(() => runs.Started.Count == run);
        }

        Assert.Equal([0, 5, 10, 15], runs.Started.Select(timer => timer.ScheduleStatus!.Last.Minute));
        Assert.Equal([5, 10, 15, 20], runs.Started.Select(timer => timer.ScheduleStatus!.Next.Minute));
        Assert.All(runs.Started, timer => Assert.False(timer.IsPastDue));
    }

    [Fact]
    public async Task Timer_RunsOnceLate_WhenOccurrencesPassDuringARun()
    {
        var first = new TaskCompletionSource();
        var runs = new Runs(_ => first.Task);
        using var host = await StartAsync(runs);
        await Eventually.TrueAsync(() => runs.Started.Count == 1);

        _time.Advance(TimeSpan.FromMinutes(17));
        Assert.Single(runs.Started);
        first.SetResult();
        await Eventually.TrueAsync(() => runs.Started.Count == 2);
        await WaitingAsync(delays: 1);
        _time.Advance(TimeSpan.FromMinutes(3));
        await Eventually.TrueAsync(() => runs.Started.Count == 3);

        Assert.Equal([false, true, false], runs.Started.Select(timer => timer.IsPastDue));
        Assert.Equal([0, 17, 20], runs.Started.Select(timer => timer.ScheduleStatus!.Last.Minute));
    }

    [Fact]
    public async Task Start_SaysWhichFunction_WhenItsScheduleIsNone()
    {
        using var host = TestHost.Build<Tick>(["--TickSchedule=sometimes"], new Runs(_ => Task.CompletedTask));

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync(Cancellation));

        Assert.Contains("'Tick'", error.Message, StringComparison.Ordinal);
        Assert.Contains("sometimes", error.Message, StringComparison.Ordinal);
    }

    // A clock that jumps before the listener waits for it would be waited for from there on.
    private Task WaitingAsync(int delays) => Eventually.TrueAsync(() => _time.Timers >= delays);

    private sealed class WatchedTime(DateTimeOffset start) : FakeTimeProvider(start)
    {
        private int _timers;

        /// <summary>Timers made so far, each with its delay running.</summary>
        public int Timers => Volatile.Read(ref _timers);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            Interlocked.Increment(ref _timers);
            return timer;
        }
    }

    private Task<IHost> StartAsync(Runs runs) => TestHost.StartAsync<Tick>(["--TickSchedule=0 */5 * * * *"], runs, _time);

    public sealed class Tick(Runs runs)
    {
        [Function("Tick")]
        public Task RunAsync([TimerTrigger("%TickSchedule%", RunOnStartup = true)] TimerInfo timer)
        {
            runs.Started.Enqueue(timer);
            return runs.Body(timer);
        }
    }

    public sealed class Runs(Func<TimerInfo, Task> body)
    {
        public Func<TimerInfo, Task> Body { get; } = body;

        public ConcurrentQueue<TimerInfo> Started { get; } = [];
    }
}
