using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests;

/// <summary>Texts that do not get to their end: cancelled, too late, or on a host that shuts down.</summary>
public sealed class StopTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestBatch.Cancellation;

    [Fact]
    public async Task CancelAsync_EndsTheTextWithinASecondAndKeepsIt_WhenTheJobRuns()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HoldsAfterFirstPiece = true;
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var processing = batch.PumpAsync();
        await batch.Engine.Held;

        Assert.Equal(JobState.Running, (await batch.Control.CancelAsync(job.Id, TestBatch.Tester, Cancellation))!.State);
        batch.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(await processing);

        var view = await batch.Reader.FindAsync(job.Id, TestBatch.Tester, Cancellation);
        Assert.Equal((JobState.Cancelled, "cancelled", "first piece", 1), (view!.Status, view.FinishReason, view.Text, view.Usage!.CompletionTokens));
        Assert.Equal($"{job.Id}:cancelled", Assert.Single(await batch.EventsAsync()).GetProperty("id").GetString());
        Assert.Contains(await batch.AuditAsync(job.Id), row => row.GetString("Kind") == "cancel");
    }

    [Fact]
    public async Task CancelAsync_EndsTheJobAtOnceAndNothingRuns_WhenItWaits()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");

        var cancelled = await batch.Control.CancelAsync(job.Id, TestBatch.Tester, Cancellation);
        Assert.Empty(await batch.PumpAsync());

        Assert.Equal(JobState.Cancelled, cancelled!.State);
        Assert.Empty(batch.Engine.Requests);
        Assert.Single(await batch.EventsAsync());
    }

    [Fact]
    public async Task CancelAsync_IsToldOnTheNextDelivery_WhenItCrashesAfterItsRow()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        batch.Faults.CrashAfterWrite(2);
        await Assert.ThrowsAsync<SimulatedCrashException>(() => batch.Control.CancelAsync(job.Id, TestBatch.Tester, Cancellation));
        batch.Faults.Revive();

        Assert.Empty(await batch.PumpAsync());

        Assert.Empty(batch.Engine.Requests);
        Assert.Equal("batch.job.cancelled", Assert.Single(await batch.EventsAsync()).GetProperty("type").GetString());
    }

    [Fact]
    public async Task CancelAsync_ChangesNothing_WhenTheJobIsFinished()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        await batch.PumpAsync();

        Assert.Equal(JobState.Succeeded, (await batch.Control.CancelAsync(job.Id, TestBatch.Tester, Cancellation))!.State);
        Assert.Null(await batch.Control.CancelAsync("nobody", TestBatch.Tester, Cancellation));
    }

    [Fact]
    public async Task ProcessAsync_ExpiresTheJobAndKeepsItsText_WhenTheDeadlinePassesWhileItRuns()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HoldsAfterFirstPiece = true;
        var job = await batch.SubmitAsync($$"""{"prompt":"Once","deadline":"{{batch.Time.GetUtcNow().AddSeconds(30):O}}"}""");
        var processing = batch.PumpAsync();
        await batch.Engine.Held;

        batch.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Empty(await processing);

        var view = await batch.Reader.FindAsync(job.Id, TestBatch.Tester, Cancellation);
        Assert.Equal((JobState.Expired, "expired", "first piece"), (view!.Status, view.FinishReason, view.Text));
        Assert.Equal(JobState.Expired, (await batch.Store.FindResultAsync(job, Cancellation))!.Status);
    }

    [Fact]
    public async Task FindAsync_ShowsTheTextSoFar_WhileTheJobRuns()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HoldsAfterFirstPiece = true;
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var processing = batch.PumpAsync();
        await batch.Engine.Held;

        batch.Time.Advance(TimeSpan.FromSeconds(1));
        JobView? view;
        do
        {
            view = await batch.Reader.FindAsync(job.Id, TestBatch.Tester, Cancellation);
        }
        while (view!.Text is null);
        batch.Engine.LetGo();
        Assert.Empty(await processing);

        Assert.Equal((JobState.Running, "first piece", 1), (view.Status, view.Text, view.Progress!.CompletionTokens));
        Assert.Null(await batch.Store.FindProgressAsync(job, Cancellation));
    }

    [Fact]
    public async Task ProcessAsync_HandsTheJobOnUnblamedAndComputesNothingTwice_WhenTheHostShutsDown()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HoldsAfterFirstPiece = true;
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var processing = batch.PumpAsync(stopping);
        await batch.Engine.Held;

        await stopping.CancelAsync();
        Assert.Empty(await processing);
        var between = await batch.FindAsync(job.Id);
        batch.Engine.HoldsAfterFirstPiece = false;
        Assert.Empty(await batch.PumpAsync());

        Assert.Equal((JobState.Queued, null), (between.State, between.Owner));
        job = await batch.FindAsync(job.Id);
        Assert.Equal((JobState.Succeeded, 1, 1, null), (job.State, job.Attempts, job.Preemptions, job.LastError));
        Assert.Equal((2, 3), (batch.Engine.Requests.Count, batch.Engine.Computed));
        Assert.Equal(ScriptedEngine.TextOf(ulong.Parse(job.Seed, null)), (await batch.Store.FindResultAsync(job, Cancellation))!.Text);
    }

    [Fact]
    public async Task GiveUpAsync_FailsTheJobWithItsLastError_AndReplayRunsItAgain()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.Faults.Enqueue(new InvalidOperationException("out of memory"));
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        await batch.PumpAsync();
        var poison = await batch.ReceiveAsync();

        await batch.Processor.GiveUpAsync(poison!, Cancellation);
        await batch.Processor.GiveUpAsync(poison!, Cancellation);

        var failed = await batch.FindAsync(job.Id);
        Assert.Equal((JobState.Failed, JobErrorCode.RetriesExhausted), (failed.State, failed.ErrorCode));
        Assert.Contains("out of memory", failed.ErrorMessage, StringComparison.Ordinal);
        Assert.Equal("batch.job.failed", Assert.Single(await batch.EventsAsync()).GetProperty("type").GetString());

        Assert.Contains(job.Id, (await batch.ReceiveAsync(JobQueues.FailedJobs))!.Body.ToString(), StringComparison.Ordinal);
        Assert.Null(await batch.ReceiveAsync(JobQueues.FailedJobs));

        await batch.Control.ReplayAsync(job.Id, TestBatch.Tester, Cancellation);
        Assert.Empty(await batch.PumpAsync());
        Assert.Equal((JobState.Succeeded, null), ((await batch.FindAsync(job.Id)).State, (await batch.FindAsync(job.Id)).ErrorCode));
    }

    [Fact]
    public async Task GiveUpAsync_MakesAFailedJob_WhenTheSubmissionNeverGotThrough()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        await batch.EnqueueAsync("""{"id":"never-through","prompt":"Once"}""");

        await batch.Processor.GiveUpAsync((await batch.ReceiveAsync())!, Cancellation);

        Assert.Equal(JobState.Failed, (await batch.FindAsync("never-through")).State);
    }
}
