using Batch.Inference.Engine;
using Batch.Jobs.Batches;

namespace Batch.Jobs.Tests.Batches;

/// <summary>Lines of batches come into an engine as it has rows for them.</summary>
public sealed class LineSeatsTests
{
    private readonly LineSeats _seats = new();

    [Fact]
    public async Task EnterAsync_Waits_UntilALineOfTwiceTheRowsHasEnded()
    {
        using var first = await EnterAsync(priority: 0, lines: 5);
        using var second = await EnterAsync(priority: 0, lines: 5);
        var third = EnterAsync(priority: 0, lines: 5);
        Assert.False(third.IsCompleted);

        first.Leave();
        first.Leave();
        Assert.False(third.IsCompleted);
        second.Leave();

        (await third).Dispose();
    }

    [Fact]
    public async Task EnterAsync_LetsTheHighestPriorityIn_BesideLinesOfALowerOne()
    {
        var running = await EnterAsync(priority: 0, lines: 8);
        var same = EnterAsync(priority: 0, lines: 8);

        var urgent = await EnterAsync(priority: 5, lines: 8);
        var late = EnterAsync(priority: 5, lines: 8);
        running.Dispose();
        Assert.False(late.IsCompleted || same.IsCompleted);
        urgent.Dispose();

        (await late).Dispose();
        (await same).Dispose();
    }

    [Fact]
    public async Task EnterAsync_LeavesTheLine_WhenCancelled()
    {
        using var running = await EnterAsync(priority: 0, lines: 8);
        using var stop = new CancellationTokenSource();
        var gone = _seats.EnterAsync(new FourRows(), 0, 8, stop.Token);
        var next = EnterAsync(priority: 0, lines: 8);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        running.Dispose();

        (await next).Dispose();
    }

    private Task<SeatedLines> EnterAsync(int priority, int lines) => _seats.EnterAsync(new FourRows(), priority, lines, TestContext.Current.CancellationToken);

    private sealed class FourRows : LlmEngine
    {
        public override EngineUse Use => new(0, 0, Seats: 4, 0, 0, 0, 0, 0);
    }
}
