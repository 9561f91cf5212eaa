using System.Diagnostics.Metrics;
using Azure.Data.Tables;
using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Retention;
using Batch.Jobs.Schedules;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests.Batches;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests.Retention;

/// <summary>A storage of its own, since these tests look at all that there is.</summary>
public sealed class RetentionStorage : IAsyncLifetime
{
    internal StorageEmulator Emulator { get; } = new();

    public ValueTask InitializeAsync() => Emulator.InitializeAsync();

    public ValueTask DisposeAsync() => Emulator.DisposeAsync();
}

/// <summary>Jobs and batches in one storage, whose clocks go together, and sweepers over them.</summary>
internal sealed class RetentionWorld(TestBatch jobs, TestBatches batches) : IAsyncDisposable
{
    private static readonly string[] Tables = [JobStore.JobsTable, AuditLog.AuditTable, ScheduleStore.RunsTable, FileStore.FilesTable, BatchStore.BatchesTable, IdempotencyKeys.IdempotencyTable, ExpiryIndex.ExpiriesTable];
    private static readonly string[] Containers = [JobStore.ResultsContainer, JobStore.ProgressContainer, FileStore.FilesContainer, BatchBlobs.BatchesContainer];

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public TestBatch Jobs => jobs;

    public TestBatches Batches => batches;

    public AuditLog Audit { get; } = new(jobs.Clients, Options.Create(new AuditOptions()), jobs.Time);

    public DateTimeOffset Now => jobs.Time.GetUtcNow();

    public static async Task<RetentionWorld> StartAsync(RetentionStorage storage)
    {
        var world = new RetentionWorld(await TestBatch.StartAsync(storage.Emulator), await TestBatches.StartAsync(storage.Emulator));
        foreach (var table in Tables)
        {
            var rows = world.Jobs.Clients.Tables.GetTableClient(table);
            await foreach (var row in rows.QueryAsync<TableEntity>(cancellationToken: Cancellation))
            {
                await rows.DeleteEntityAsync(row.PartitionKey, row.RowKey, cancellationToken: Cancellation);
            }
        }

        foreach (var path in await world.BlobsAsync())
        {
            var slash = path.IndexOf('/', StringComparison.Ordinal);
            await world.Jobs.Clients.Blobs.GetBlobContainerClient(path[..slash]).DeleteBlobAsync(path[(slash + 1)..], cancellationToken: Cancellation);
        }

        return world;
    }

    /// <summary>A batch of lines that succeed and one that does not, with a key, to its end.</summary>
    public async Task CreateBatchAsync()
    {
        var bad = TestBatches.Line("bad", """{"prompt":"Once","temperature":9}""");
        var batch = await batches.CreateAsync(TestBatches.Lines(2) + bad, key: "key");
        await batches.FinishedAsync(batch);
    }

    /// <summary>One that succeeds, one whose request is too long for its row, and one that is cancelled.</summary>
    public async Task CreateJobsAsync()
    {
        await jobs.SubmitAsync("""{"prompt":"short"}""");
        await jobs.SubmitAsync($$"""{"prompt":"{{new string('x', 40_000)}}"}""");
        Assert.Empty(await jobs.PumpAsync());
        await jobs.Control.CancelAsync((await jobs.SubmitAsync("""{"prompt":"never"}""")).Id, TestBatch.Tester, Cancellation);
    }

    /// <summary>Hands in a long job, a file and a batch; says whether the armed crash cut it off.</summary>
    public async Task<bool> CreateUntilCrashAsync(int write)
    {
        jobs.Faults.CrashAfterWrite(write);
        try
        {
            await jobs.SubmitAsync($$"""{"prompt":"{{new string('x', 40_000)}}"}""");
        }
        catch (SimulatedCrashException)
        {
            jobs.Faults.Revive();
            return true;
        }

        var left = jobs.Faults.Revive();
        batches.Faults.CrashAfterWrite(left);
        try
        {
            await batches.CreateAsync(TestBatches.Lines(2), key: $"key {write}");
            return false;
        }
        catch (SimulatedCrashException)
        {
            return true;
        }
        finally
        {
            batches.Faults.Revive();
        }
    }

    public async Task<string> UploadAsync(TimeSpan life)
    {
        var file = new StoredFile { PartitionKey = "default", RowKey = "file-asked", Filename = "a.jsonl", Bytes = 3, CreatedAt = Now, ExpiresAt = Now + life };
        await batches.Files.WriteAsync(file.Tenant, file.Id, new MemoryStream("abc"u8.ToArray()), Cancellation);
        await batches.Files.PutAsync(file, Cancellation);
        return file.Id;
    }

    public Task AbandonUploadAsync() => batches.Files.WriteAsync("default", "file-abandoned", new MemoryStream("abc"u8.ToArray()), Cancellation);

    public Task WriteRunAsync() => new ScheduleStore(jobs.Clients).WriteRunAsync(
        new ScheduleRun { PartitionKey = "sched_gone", RowKey = ScheduleRun.RowKeyOf(Now, "1"), Id = "1", ScheduledFor = Now, StartedAt = Now, Number = 1 }, Cancellation);

    public async Task RunJobsAsync()
    {
        await foreach (var job in jobs.Store.ListAsync("default", null, Cancellation).Where(job => !job.IsFinished))
        {
            await jobs.Intake.EnqueueAsync(job, Cancellation);
        }

        Assert.Empty(await jobs.PumpAsync());
    }

    public void Advance(TimeSpan span)
    {
        jobs.Time.Advance(span);
        batches.Time.Advance(span);
    }

    public Sweeper NewSweeper()
    {
        var options = Options.Create(new RetentionOptions());
        var metrics = new JobMetrics(_services.GetRequiredService<IMeterFactory>());
        return new Sweeper(
            [
                new FileExpiry(new FileStore(jobs.Clients, jobs.Time), options), new JobExpiry(jobs.Store, new JobQueues(jobs.Clients), options), new BatchExpiry(new BatchStore(jobs.Clients), new BatchBlobs(jobs.Clients, batches.Files), options),
                new IdempotencyKeyExpiry(jobs.Clients, options), new ScheduleRunExpiry(new ScheduleStore(jobs.Clients), options), new AuditExpiry(Audit, options),
            ],
            jobs.Clients, metrics, jobs.Time, NullLogger<Sweeper>.Instance);
    }

    public Task SweepAfterAsync(TimeSpan span)
    {
        Advance(span);
        return NewSweeper().SweepAsync(Cancellation);
    }

    public async Task<bool> SweepUntilCrashAsync(int write)
    {
        jobs.Faults.CrashAfterWrite(write);
        try
        {
            await NewSweeper().SweepAsync(Cancellation);
            return false;
        }
        catch (SimulatedCrashException)
        {
            return true;
        }
        finally
        {
            jobs.Faults.Revive();
        }
    }

    /// <summary>Rows, entries of the index, and blobs.</summary>
    public async Task<Stored> CountAsync() => new((await RowsAsync()).Count, (await IndexAsync()).Count, (await BlobsAsync()).Count);

    /// <summary>Table and partition of each row but those of the index, and of <paramref name="except"/>.</summary>
    public async Task<List<(string Table, string Partition)>> RowsAsync(string? except = null)
    {
        var rows = new List<(string, string)>();
        foreach (var table in Tables.Where(table => table != except && table != ExpiryIndex.ExpiriesTable))
        {
            await foreach (var row in jobs.Clients.Tables.GetTableClient(table).QueryAsync<TableEntity>(cancellationToken: Cancellation))
            {
                rows.Add((table, row.PartitionKey));
            }
        }

        return rows;
    }

    public async Task<List<string>> IndexAsync() =>
        await jobs.Clients.Tables.GetTableClient(ExpiryIndex.ExpiriesTable).QueryAsync<Expiry>(cancellationToken: Cancellation).Select(entry => $"{entry.PartitionKey} {entry.Id}").ToListAsync(Cancellation);

    public async Task<List<string>> BlobsAsync()
    {
        var blobs = new List<string>();
        foreach (var container in Containers)
        {
            await foreach (var blob in jobs.Clients.Blobs.GetBlobContainerClient(container).GetBlobsAsync(cancellationToken: Cancellation))
            {
                blobs.Add($"{container}/{blob.Name}");
            }
        }

        return blobs;
    }

    /// <summary>Nothing is left, in the index neither, but the dispatcher's turn.</summary>
    public async Task AssertEmptyAsync()
    {
        Assert.DoesNotContain(await RowsAsync(), row => row.Partition != DispatchTurn.Partition);
        Assert.Empty(await BlobsAsync());
        Assert.Empty(await IndexAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await jobs.DisposeAsync();
        await batches.DisposeAsync();
        await _services.DisposeAsync();
    }
}

/// <summary>How much there is.</summary>
internal sealed record Stored(int Rows, int Entries, int Blobs);
