using Azure.Storage.Queues.Models;
using Batch.Jobs.Batches;

namespace Batch.Jobs.Tests.Batches;

/// <summary>A slice has one run at a time, which others go on from.</summary>
public sealed class SliceRunTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ProcessAsync_HandsTheSliceOnAndComputesNothingTwice_WhenTheHostShutsDown()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var (batch, message) = await AdmitAsync(batches);
        using var stopping = new CancellationTokenSource();
        var running = batches.NewSlices(leaseSeconds: 3600).ProcessAsync(message, stopping.Token);
        await batches.Engine.Held;
        await stopping.CancelAsync();
        await running;
        batches.Engine.HoldsAfterFirstPiece = false;

        var view = await batches.FinishedAsync(batch);

        Assert.Equal(3, view.Outcome.Succeeded);
        Assert.Equal(9, batches.Engine.Computed);
    }

    [Fact]
    public async Task ProcessAsync_StepsBack_WhileAnotherProcessRunsTheSlice()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var (batch, message) = await AdmitAsync(batches);
        var running = batches.NewSlices(leaseSeconds: 3600).ProcessAsync(message, Cancellation);
        await batches.Engine.Held;

        await batches.NewSlices(leaseSeconds: 3600).ProcessAsync(message, Cancellation);
        batches.Engine.LetGo();
        await running;

        Assert.Equal(3, (await batches.FinishedAsync(batch)).Outcome.Succeeded);
        Assert.Equal((3, 9), (batches.Engine.Requests.Count, batches.Engine.Computed));
    }

    [Fact]
    public async Task ProcessAsync_LeavesNoTrace_WhenAnotherProcessHasTakenTheSliceOver()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var (batch, message) = await AdmitAsync(batches);
        var stale = batches.NewSlices().ProcessAsync(message, Cancellation);
        await batches.Engine.Held;
        batches.Engine.HoldsAfterFirstPiece = false;
        await batches.NewSlices().ProcessAsync(message, Cancellation);
        var view = await batches.FinishedAsync(batch);

        batches.Engine.LetGo();
        await stale;

        Assert.Equal(3, view.Outcome.Succeeded);
        Assert.Empty(await batches.Blobs.ListOutcomesAsync(await batches.FindAsync(batch), Cancellation).ToListAsync(Cancellation));
    }

    [Fact]
    public async Task ProcessAsync_GivesTheLinesUp_WhenTheirProcessDiesEachTimeWithoutProgress()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var (batch, message) = await AdmitAsync(batches);
        batches.Engine.HoldsAfterFirstPiece = false;
        for (var death = 0; death < 5; death++)
        {
            batches.Faults.CrashAfterWrite(death == 0 ? 1 : 2); // the claim, and in later runs the one that takes over
            await Assert.ThrowsAsync<SimulatedCrashException>(() => batches.NewSlices().ProcessAsync(message, Cancellation));
            batches.Faults.Revive();
        }

        await batches.NewSlices().ProcessAsync(message, Cancellation);

        // A small batch has a line in each slice.
        var view = await batches.FinishedAsync(batch);
        Assert.Equal((2, 1), (view.Outcome.Succeeded, view.Outcome.Errors["retries_exhausted"]));
        Assert.Equal(2, batches.Engine.Requests.Count);
    }

    private static async Task<(BatchRow Batch, QueueMessage Message)> AdmitAsync(TestBatches batches)
    {
        batches.Engine.HoldsAfterFirstPiece = true;
        var batch = await batches.CreateAsync(TestBatches.Lines(3));
        await batches.DispatchAsync();
        var message = (await batches.Clients.Queues.GetQueueClient(BatchQueues.Lines).ReceiveMessageAsync(TimeSpan.FromMinutes(10), Cancellation)).Value;
        return (batch, message);
    }
}
