using Batch.Jobs.Batches;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Tests.Batches;

/// <summary>The lines of a batch as they are seen while it runs.</summary>
public sealed class BatchLineTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lines_AreWaitingThenRunningWithTheirTextThenEnded()
    {
        await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = 2, SliceLines = 2 });
        batches.Engine.HoldsAfterFirstPiece = true;
        var batch = await batches.CreateAsync(TestBatches.Lines(130)); // slices of two lines
        await batches.DispatchAsync();
        var reader = new BatchLineReader(batches.Store, batches.Blobs);
        Assert.Equal([("line-1", null), ("line-2", null), ("line-3", null), ("line-4", null)], await ListAsync(LineStatus.Queued));
        Assert.Equal(100, (await ListAsync(LineStatus.Waiting)).Count);

        var running = batches.RunLinesAsync(most: 1);
        await batches.Engine.Held;
        var line = await reader.FindAsync(batch.Tenant, batch.Id, "line-2", Cancellation);
        while (line?.Text is not "first piece")
        {
            // Each second the run saves where it is.
            batches.Time.Advance(TimeSpan.FromSeconds(1));
            line = await reader.FindAsync(batch.Tenant, batch.Id, "line-2", Cancellation);
        }

        Assert.Equal((LineStatus.Running, 1), (line.Status, line.CompletionTokens));
        Assert.Equal(["line-1", "line-2"], (await ListAsync(LineStatus.Running)).Select(each => each.CustomId));
        batches.Engine.LetGo();
        await running;
        Assert.Equal([("line-1", null), ("line-2", null)], await ListAsync(LineStatus.Ended));
        Assert.Equal([("line-2", null)], await ListAsync(LineStatus.Ended, after: "line-1"));
        Assert.Equal(LineStatus.Waiting, (await reader.FindAsync(batch.Tenant, batch.Id, "line-130", Cancellation))!.Status);
        Assert.Null(await reader.FindAsync(batch.Tenant, batch.Id, "line-131", Cancellation));
        Assert.Null(await reader.FindAsync("another", batch.Id, "line-1", Cancellation));
        await Assert.ThrowsAsync<InvalidJobException>(() => ListAsync(LineStatus.Running, after: "nobody"));

        async Task<List<(string CustomId, string? Text)>> ListAsync(LineStatus status, string? after = null) =>
            [.. (await reader.ListAsync(batch.Tenant, batch.Id, status, after, 100, Cancellation))!.Data.Select(line => (line.CustomId, status == LineStatus.Running ? line.Text : null))];
    }

    [Theory]
    [InlineData(1)]
    [InlineData(700)]
    [InlineData(50_000)]
    public async Task CustomIdIndex_FindsEveryLineInOneSmallRead(int lines)
    {
        var hashes = Enumerable.Range(0, lines).Select(i => CustomIdIndex.HashOf($"id {i}")).ToList();
        var slices = Enumerable.Range(0, (lines + 15) / 16).Select(i => new Slice(0, 0, 0, Math.Min(16, lines - (i * 16)), 0)).ToList();
        var index = CustomIdIndex.Write(hashes, slices).AsMemory();
        var (reads, bytes) = (0, 0L);

        var step = Math.Max(1, lines / 2000);
        for (var i = 0; i < lines; i += step)
        {
            Assert.Equal(new Place(i / 16, i % 16), await FindAsync($"id {i}"));
        }

        Assert.Null(await FindAsync("nobody"));
        var found = ((lines - 1) / step) + 2;
        Assert.InRange(reads, found, found * 1.01 + 1);
        Assert.InRange(bytes / found, 1, 17_000);

        Task<Place?> FindAsync(string id) => CustomIdIndex.FindAsync(lines, id, (offset, length) =>
        {
            (reads, bytes) = (reads + 1, bytes + length);
            return Task.FromResult<ReadOnlyMemory<byte>>(index.Slice((int)offset, length));
        });
    }
}
