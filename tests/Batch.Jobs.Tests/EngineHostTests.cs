using Batch.Inference.Engine;
using Batch.Inference.Weights;
using Batch.Jobs.Requests;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Batch.Jobs.Tests;

public sealed class EngineHostTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static EngineHost Host(EngineLoader load, string path = "/models/first/", TimeProvider? time = null, params string[] others)
    {
        var models = new ModelsOptions();
        foreach (var name in others)
        {
            models.Add(name, new EngineOptions { ModelPath = $"/models/{name}" });
        }

        return new EngineHost(load, Options.Create(new EngineOptions { ModelPath = path }), Options.Create(models), time ?? TimeProvider.System, NullLogger<EngineHost>.Instance);
    }

    [Fact]
    public async Task GetAsync_WaitsForTheNextTry_WhenTheModelDidNotLoad()
    {
        var failed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var time = new SignallingTime(() => failed.TrySetResult());
        var tries = 0;
        await using var host = Host(
            (_, _) => ++tries == 1 ? throw new FileNotFoundException("the share is not mounted") : new ScriptedEngine(), "/models/late/", time);

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

    [Fact]
    public async Task NotReadyReason_SaysHowFarLoadingIs()
    {
        var reasons = new List<string?>();
        EngineHost? host = null;
        host = Host((_, progress) =>
        {
            foreach (var done in new[] { 0, 43, 100 })
            {
                progress.Report(new LoadProgress(done, 100));
                reasons.Add(host!.NotReadyReason);
            }

            return new ScriptedEngine();
        });
        await using var _ = host;

        await host.StartAsync(Cancellation);
        await host.GetAsync(Cancellation);

        Assert.Equal(["the model is loading: 0 %", "the model is loading: 43 %", "the model is loading: 100 %"], reasons);
        Assert.Null(host.NotReadyReason);
    }

    [Fact]
    public async Task GetAsync_GivesEachModelItsEngine_WhenAnotherDoesNotLoad()
    {
        var order = new List<string>();
        await using var host = Host((options, _) =>
        {
            lock (order)
            {
                order.Add(options.ModelPath);
            }

            return options.ModelPath == "/models/first/" ? throw new InvalidDataException("it is truncated") : new ScriptedEngine { Name = options.ModelName! };
        }, others: ["third", "second"]);

        await host.StartAsync(Cancellation);
        var second = await host.GetAsync("second", Cancellation);
        var third = await host.GetAsync("third", Cancellation);

        Assert.Equal(("second", "third"), (second.Model.Name, third.Model.Name));
        Assert.Equal(["/models/first/", "/models/second", "/models/third"], order);
        Assert.Contains("it is truncated", host.Models[0].NotReadyReason, StringComparison.Ordinal);
        Assert.Null(host.NotReadyReason); // jobs of the others can run
        Assert.False(host.GetAsync(Cancellation).IsCompleted);
        var refused = await Assert.ThrowsAsync<InvalidJobException>(() => host.GetAsync("fourth", Cancellation));
        Assert.Equal("model \"fourth\" is not served here; ask for one of 'first', 'second', 'third', or leave model out for the first", refused.Message);
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
