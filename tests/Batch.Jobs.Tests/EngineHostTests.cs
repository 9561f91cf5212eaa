using Batch.Inference.Engine;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Batch.Jobs.Tests;

public sealed class EngineHostTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GetAsync_WaitsForTheNextTry_WhenTheModelDidNotLoad()
    {
        var failed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var time = new SignallingTime(() => failed.TrySetResult());
        var tries = 0;
        await using var host = new EngineHost(
            _ => ++tries == 1 ? throw new FileNotFoundException("the share is not mounted") : new ScriptedEngine(),
            Options.Create(new EngineOptions { ModelPath = "/models/late/" }), time, NullLogger<EngineHost>.Instance);

        await host.StartAsync(Cancellation);
        var waiting = host.GetAsync(Cancellation);
        await failed.Task;

        Assert.Contains("the share is not mounted", host.NotReadyReason, StringComparison.Ordinal);
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal("scripted", (await waiting).Model.Name);
        Assert.Equal((null, "late"), (host.NotReadyReason, host.ModelName));
        await host.StopAsync(Cancellation);
    }

    /// <summary>Tells when something begins to wait.</summary>
    private sealed class SignallingTime(Action waits) : FakeTimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            waits();
            return timer;
        }
    }
}
