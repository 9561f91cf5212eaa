using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests;

/// <summary>Two processes and one job: one run at a time has it, and whoever lost it changes nothing.</summary>
public sealed class FencingTests(StorageEmulator storage)
{
    private const double Forever = 3600;

    private static CancellationToken Cancellation => TestBatch.Cancellation;

    [Fact]
    public async Task ProcessAsync_StepsBackUnblamed_WhileAnotherProcessRunsTheJob()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HoldsAfterFirstPiece = true;
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var message = (await batch.ReceiveAsync())!;
        var running = batch.NewProcessor(Forever).ProcessAsync(message, Cancellation);
        await batch.Engine.Held;
        var sent = batch.Faults.Sent.Count;

        await batch.NewProcessor(Forever).ProcessAsync(message, Cancellation);

        var during = await batch.FindAsync(job.Id);
        Assert.Equal((JobState.Running, 1, 1), (during.State, during.Attempts, during.Epoch));
        Assert.Single(batch.Engine.Requests);
        Assert.Contains("visibilitytimeout=3", Assert.Single(batch.Faults.Sent.Skip(sent)), StringComparison.Ordinal);
        batch.Engine.LetGo();
        await running;
        Assert.Equal(JobState.Succeeded, (await batch.FindAsync(job.Id)).State);
        Assert.Single(await batch.EventsAsync());
    }

    [Fact]
    public async Task ProcessAsync_TakesTheJobOverFromItsCheckpoint_WhenItsProcessIsDead_AndThatOneChangesNothingAfterwards()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HoldsAfterFirstPiece = true;
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var message = (await batch.ReceiveAsync())!;
        var stale = batch.NewProcessor(checkpointTokens: 2).ProcessAsync(message, Cancellation);
        await batch.Engine.Held;
        while (await batch.Store.FindProgressAsync(job, Cancellation) is null)
        {
            await Task.Yield();
        }

        // Paused, not dead: its watch sees no time pass.
        batch.Engine.HoldsAfterFirstPiece = false;
        await batch.NewProcessor().ProcessAsync(message, Cancellation);
        var ended = await batch.FindAsync(job.Id);
        var events = await batch.EventsAsync();
        batch.Engine.LetGo();
        await stale;

        Assert.Equal((JobState.Succeeded, 2, 2), (ended.State, ended.Attempts, ended.Epoch));
        Assert.Equal((3 + 2, 1), (batch.Engine.Computed, events.Count)); // the stale run went on by itself
        Assert.Equal(ended.ETag, (await batch.FindAsync(job.Id)).ETag);
        Assert.Empty(await batch.EventsAsync());
        Assert.Equal(ended.FinishedAt, (await batch.Store.FindResultAsync(job, Cancellation))!.FinishedAt);
        Assert.Null(await batch.Store.FindProgressAsync(job, Cancellation));
    }

    [Fact]
    public async Task ProcessAsync_EndsInOneRunsResult_WhenDeliveredToTwoProcessesAtTheSameTime()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        for (var round = 0; round < 10; round++)
        {
            var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
            var message = (await batch.ReceiveAsync())!;

            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => batch.NewProcessor(Forever).ProcessAsync(message, Cancellation))));

            job = await batch.FindAsync(job.Id);
            Assert.Equal((JobState.Succeeded, 1, 1), (job.State, job.Attempts, job.Epoch));
            Assert.Single((await batch.EventsAsync()).Select(e => e.GetProperty("id").GetString()).Distinct());
        }

        Assert.Equal(10, batch.Engine.Requests.Count);
    }

    [Fact]
    public async Task ProcessAsync_GivesTheJobUp_WhenItsProcessDiesEachTimeWithoutProgress()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var message = (await batch.ReceiveAsync())!;
        for (var death = 0; death < 6; death++)
        {
            Assert.False((await batch.FindAsync(job.Id)).IsFinished);
            batch.Faults.CrashAfterWrite(death == 0 ? 1 : 2); // the claim, and in later runs the checkpoint that takes over
            await Assert.ThrowsAsync<SimulatedCrashException>(() => batch.NewProcessor().ProcessAsync(message, Cancellation));
            batch.Faults.Revive();
        }

        await batch.NewProcessor().ProcessAsync(message, Cancellation);

        job = await batch.FindAsync(job.Id);
        Assert.Equal((JobState.Failed, "retries_exhausted", 0), (job.State, job.ErrorCode, batch.Engine.Requests.Count));
        Assert.Contains("ended without an error", job.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GiveUpAsync_GivesAnotherRound_WhenTheJobGotFurther()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HoldsAfterFirstPiece = true;
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var message = (await batch.ReceiveAsync())!;
        using var dying = new CancellationTokenSource();
        var running = batch.NewProcessor(checkpointTokens: 2).ProcessAsync(message, dying.Token);
        await batch.Engine.Held;
        while (await batch.Store.FindProgressAsync(job, Cancellation) is null)
        {
            await Task.Yield();
        }

        await batch.Processor.GiveUpAsync(message, Cancellation);
        Assert.Equal(JobState.Running, (await batch.FindAsync(job.Id)).State);
        Assert.NotNull(await batch.ReceiveAsync());

        await batch.Processor.GiveUpAsync(message, Cancellation);
        Assert.Equal(JobState.Failed, (await batch.FindAsync(job.Id)).State);
        await dying.CancelAsync();
        await running;
        Assert.Equal(JobState.Failed, (await batch.FindAsync(job.Id)).State);
    }
}
