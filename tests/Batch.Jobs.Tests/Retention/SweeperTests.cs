using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests.Retention;

/// <summary>What is left in storage when time passes and sweepers come by, in a storage that is empty before each test.</summary>
public sealed class SweeperTests(RetentionStorage storage) : IClassFixture<RetentionStorage>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SweepAsync_AsTimePasses_RemovesEachThingAfterItsSpanAndInTheEndAll()
    {
        await using var world = await RetentionWorld.StartAsync(storage);
        await world.CreateBatchAsync();
        await world.CreateJobsAsync();
        var later = await world.Jobs.SubmitAsync($$"""{"prompt":"later","not_before":"{{world.Now.AddDays(60):O}}"}""");
        var asked = await world.UploadAsync(life: TimeSpan.FromHours(1));
        await world.AbandonUploadAsync();
        await world.WriteRunAsync();

        var before = await world.CountAsync();
        await world.SweepAfterAsync(TimeSpan.FromMinutes(59));
        Assert.Equal((before.Rows, before.Blobs), await CountAsync(world));

        // The file that was asked to be kept for an hour: a row and its bytes.
        await world.SweepAfterAsync(TimeSpan.FromMinutes(1));
        Assert.Null(await world.Batches.Files.FindRowAsync("default", asked, Cancellation));
        Assert.Equal((before.Rows - 1, before.Blobs - 1), await CountAsync(world));

        // The bytes of the upload that came to nothing.
        await world.SweepAfterAsync(TimeSpan.FromHours(24));
        Assert.Equal((before.Rows - 1, before.Blobs - 2), await CountAsync(world));

        await world.SweepAfterAsync(TimeSpan.FromDays(32));
        Assert.Equal([(JobStore.JobsTable, later.Id), (JobStore.JobsTable, "newest default"), (BatchStore.BatchesTable, DispatchTurn.Partition)], await world.RowsAsync(except: AuditLog.AuditTable));
        Assert.Empty(await world.BlobsAsync());
        Assert.Equal(JobState.Queued, (await world.Jobs.FindAsync(later.Id)).State);

        // A month after its own end, however late that was.
        world.Advance(TimeSpan.FromDays(40));
        await world.RunJobsAsync();
        await world.SweepAfterAsync(TimeSpan.FromDays(29));
        Assert.Equal(JobState.Succeeded, (await world.Jobs.FindAsync(later.Id)).State);
        await world.SweepAfterAsync(TimeSpan.FromDays(2));
        Assert.Null(await world.Jobs.Store.FindAsync(later.Id, "default", Cancellation));

        Assert.NotEmpty(await world.Jobs.AuditAsync());
        await world.SweepAfterAsync(TimeSpan.FromDays(366));
        await world.AssertEmptyAsync();
    }

    [Fact]
    public async Task SweepAsync_CrashedAfterAnyWrite_IsDoneByTheNextOne()
    {
        await using var world = await RetentionWorld.StartAsync(storage);
        await world.CreateBatchAsync();
        await world.CreateJobsAsync();
        await world.WriteRunAsync();
        world.Advance(TimeSpan.FromDays(400));

        // Each dies after the first write that changed something.
        var (crashes, write, left) = (0, 1, await world.CountAsync());
        while (crashes < 200 && await world.SweepUntilCrashAsync(write))
        {
            var now = await world.CountAsync();
            (crashes, write, left) = (crashes + 1, now == left ? write + 1 : 1, now);
        }

        await world.AssertEmptyAsync();
        Assert.InRange(crashes, 20, 199);
    }

    [Fact]
    public async Task SweepAsync_SeveralAtOnce_RemoveEverythingWithoutAnError()
    {
        await using var world = await RetentionWorld.StartAsync(storage);
        await world.CreateBatchAsync();
        await world.CreateJobsAsync();
        await world.WriteRunAsync();
        world.Advance(TimeSpan.FromDays(400));

        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => world.NewSweeper().SweepAsync(Cancellation)));

        await world.AssertEmptyAsync();
    }

    [Fact]
    public async Task SweepAsync_WhateverWriteOfASubmissionWasTheLast_LeavesNothing()
    {
        await using var world = await RetentionWorld.StartAsync(storage);
        var crashes = 0;
        while (crashes < 100 && await world.CreateUntilCrashAsync(crashes + 1))
        {
            crashes++;
        }

        // Those who asked do not come again; what got as far as a row ends in its time.
        await world.SweepAfterAsync(TimeSpan.FromDays(31));
        await world.RunJobsAsync();
        Assert.Null(await world.Batches.PumpAsync());
        await world.SweepAfterAsync(TimeSpan.FromDays(400));

        await world.AssertEmptyAsync();
        Assert.InRange(crashes, 12, 40);
    }

    [Fact]
    public async Task DeleteDayAsync_OfMoreRowsThanATransactionTakes_LeavesTheNextDay()
    {
        await using var world = await RetentionWorld.StartAsync(storage);
        await Task.WhenAll(Enumerable.Range(0, 120).Select(_ => world.Audit.RefusedAsync(TestBatch.Tester, "test", new InvalidJobException("code", "why"), Cancellation)));

        world.Advance(TimeSpan.FromDays(1));
        await world.Jobs.SubmitAsync("""{"prompt":"the next day"}""");

        await world.SweepAfterAsync(TimeSpan.FromDays(365));

        Assert.Equal("2026-03-05", Assert.Single(await world.Jobs.AuditAsync()).PartitionKey[^10..]);
    }

    private static async Task<(int Rows, int Blobs)> CountAsync(RetentionWorld world) => await world.CountAsync() is var stored ? (stored.Rows, stored.Blobs) : default;
}
