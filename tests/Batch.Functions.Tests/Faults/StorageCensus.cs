using System.Text.Json;
using Azure.Data.Tables;
using Batch.Jobs.Storage;

namespace Batch.Functions.Tests.Faults;

/// <summary>
/// Every row, blob and message of an account, each with the reason why it is there. What has none is left over; a table, container or queue that is not
/// known here is left over whole, so that what is added to the system is accounted for here.
/// </summary>
internal sealed class StorageCensus
{
    private readonly Dictionary<string, List<TableEntity>> _rows = [];
    private readonly Dictionary<string, List<string>> _blobs = [];
    private readonly Dictionary<string, List<string>> _messages = [];

    private StorageCensus()
    {
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<StorageCensus> TakeAsync(StorageClients storage)
    {
        var census = new StorageCensus();
        await foreach (var table in storage.Tables.QueryAsync(cancellationToken: Cancellation))
        {
            census._rows[table.Name] = await storage.Tables.GetTableClient(table.Name).QueryAsync<TableEntity>(cancellationToken: Cancellation).ToListAsync(Cancellation);
        }

        await foreach (var container in storage.Blobs.GetBlobContainersAsync(cancellationToken: Cancellation))
        {
            census._blobs[container.Name] = await storage.Blobs.GetBlobContainerClient(container.Name).GetBlobsAsync(cancellationToken: Cancellation).Select(blob => blob.Name).ToListAsync(Cancellation);
        }

        await foreach (var queue in storage.Queues.GetQueuesAsync(cancellationToken: Cancellation))
        {
            census._messages[queue.Name] = await ReadAsync(storage, queue.Name);
        }

        return census;
    }

    public IReadOnlyList<TableEntity> Rows(string table) => _rows.GetValueOrDefault(table) ?? [];

    public IEnumerable<TableEntity> Jobs => Rows("jobs").Where(row => row.RowKey == "job");

    /// <summary>The ids of events, once for each time that one was told.</summary>
    public IReadOnlyList<string> EventIds => [.. Messages("batch-events").Select(body => JsonDocument.Parse(body).RootElement.GetProperty("id").GetString()!)];

    /// <summary>What nothing accounts for, and what has no end.</summary>
    public IReadOnlyList<string> LeftOver() =>
    [
        .. _rows.SelectMany(table => table.Value.Where(row => !HasReason(table.Key, row)).Select(row => $"{table.Key}: {row.PartitionKey} / {row.RowKey}: {row.GetString("State")}")),
        .. _blobs.SelectMany(container => container.Value.Where(blob => !HasReason(container.Key, blob)).Select(blob => $"{container.Key}: {blob}")),
        .. _messages.SelectMany(queue => queue.Value.Where(message => !HasReason(queue.Key)).Select(message => $"{queue.Key}: {message}")),
        .. Jobs.Where(job => Rows("audit").Count(row => row.GetString("JobId") == IdOf(job) && row.GetString("Outcome") is not null) != 1).Select(job => $"not one entry in the audit log for {job.PartitionKey}"),
        .. Jobs.Where(job => job.GetBoolean("HasResult") == true && !Blobs("results").Contains(BlobOf(job))).Select(job => $"no result of {job.PartitionKey}"),
    ];

    /// <summary>What is there of work, whatever its reason: all but events and the marks of those who look.</summary>
    public IReadOnlyList<string> Kept() =>
    [
        .. _rows.SelectMany(table => table.Value.Where(row => row.PartitionKey is not ("the sweep" or "the dispatcher")).Select(row => $"{table.Key}: {row.PartitionKey} / {row.RowKey}")),
        .. _blobs.SelectMany(container => container.Value.Select(blob => $"{container.Key}: {blob}")),
    ];

    private List<string> Blobs(string container) => _blobs.GetValueOrDefault(container) ?? [];

    private List<string> Messages(string queue) => _messages.GetValueOrDefault(queue) ?? [];

    private bool HasReason(string table, TableEntity row) => table switch
    {
        "jobs" when row.PartitionKey is "the sweep" => true,
        "jobs" when row.RowKey == "job" => IsOver(row, "Queued", "Running") && WillExpire("job", IdOf(row)),
        "jobs" => Jobs.Any(job => row.RowKey.EndsWith($"_{IdOf(job)}", StringComparison.Ordinal)),
        "batches" when row.PartitionKey is "the dispatcher" => true,
        "batches" when row.PartitionKey == "active batches" => false,
        "batches" => IsOver(row, "Validating", "InProgress", "Finalizing", "Cancelling") && WillExpire("batch", row.RowKey),
        "files" => Blobs("files").Contains($"{row.PartitionKey}/{row.RowKey}") && WillExpire("file", row.RowKey),
        "idempotency" => WillExpire("idempotency-key", row.RowKey),
        "schedules" => true,
        "scheduleruns" => Rows("schedules").Any(schedule => row.PartitionKey.Contains(schedule.RowKey, StringComparison.Ordinal)),
        "webhookdeliveries" => (!row.RowKey.StartsWith("open_", StringComparison.Ordinal) || row.GetString("State") == "Failed")
            && WillExpire("webhook-delivery", row.RowKey[row.RowKey.IndexOf("del_", StringComparison.Ordinal)..]),
        "audit" or "expiries" or "webhookendpoints" => true,
        "apikeys" => true,
        _ => false,
    };

    // Ended, and told.
    private static bool IsOver(TableEntity row, params string[] unfinished) => !unfinished.Contains(row.GetString("State")) && row.GetString("EventState") == "Published" && row.GetString("WebhookState") != "Pending";

    private bool HasReason(string container, string blob) => container switch
    {
        "results" => Jobs.Any(job => (job.GetBoolean("HasResult") == true && BlobOf(job) == blob) || (job.GetString("Request") is null && $"_requests/{BlobOf(job)}" == blob)),
        "inputs" => blob.StartsWith("given/", StringComparison.Ordinal),
        "files" => WillExpire("file", blob[(blob.IndexOf('/', StringComparison.Ordinal) + 1)..]),
        "batches" => Rows("batches").Any(batch => blob == $"{batch.RowKey}/input" || blob == $"{batch.RowKey}/slices" || blob == $"{batch.RowKey}/ids"),
        _ => false,
    };

    // Known to the sweeper, who removes it in time, come of it what may.
    private bool WillExpire(string kind, string id) => Rows("expiries").Any(entry => entry.PartitionKey.StartsWith($"{kind} ", StringComparison.Ordinal) && entry.GetString("Id") == id);

    private static bool HasReason(string queue) => queue is "batch-events" or "batch-jobs-failed";

    private static string IdOf(TableEntity job) => job.PartitionKey[(job.PartitionKey.IndexOf(':', StringComparison.Ordinal) + 1)..];

    private static string BlobOf(TableEntity job) => $"{job.PartitionKey.Replace(':', '/')}.json";

    private static async Task<List<string>> ReadAsync(StorageClients storage, string name)
    {
        var (queue, bodies) = (storage.Queues.GetQueueClient(name), new List<string>());
        while ((await queue.ReceiveMessagesAsync(32, TimeSpan.FromMinutes(10), Cancellation)).Value is { Length: > 0 } messages)
        {
            bodies.AddRange(messages.Select(message => message.Body.ToString()));
        }

        return bodies;
    }
}
