using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Azure.Storage.Blobs.Models;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>What people do to batches that exist. Each gives null when the tenant has no such batch.</summary>
public sealed class BatchControl(BatchStore store, BatchQueues queues, BatchIntake intake, BatchBlobs blobs, FileStore files, TimeProvider time)
{
    /// <summary>What ran is kept; what runs ends within seconds; what waits does not begin.</summary>
    public Task<BatchRow?> CancelAsync(string id, Caller caller, CancellationToken cancellationToken) =>
        ChangeAsync(id, caller, row => row.IsFinal ? throw Finished(row, "cancelled") : row.Cancel(time.GetUtcNow()), cancellationToken);

    /// <summary>Admits no more lines; those that were admitted run to their end. The completion window goes on.</summary>
    public Task<BatchRow?> PauseAsync(string id, bool paused, Caller caller, CancellationToken cancellationToken) =>
        ChangeAsync(id, caller, row => row.IsFinal || row.Ending is not null ? throw Finished(row, paused ? "paused" : "resumed") : row.Pause(paused), cancellationToken);

    /// <summary>A new batch of the lines that have not succeeded, with everything else as it was.</summary>
    public async Task<BatchRow?> ResubmitAsync(string id, string? idempotencyKey, Caller caller, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(caller.Tenant, id, cancellationToken) is not { } row)
        {
            return null;
        }

        if (!row.IsFinal || row.State == BatchState.Failed || row.Succeeded == row.Lines)
        {
            throw new InvalidJobException(
                JobErrorCode.BatchFinished,
                $"batch {id} is {BatchRow.NameOf(row.State)} with {row.Succeeded} of {row.Lines} lines succeeded; what has ended with lines left can be resubmitted");
        }

        // A file of this call's own, since of two calls at once neither may write into the other's. The new batch copies it.
        var now = time.GetUtcNow();
        var file = new StoredFile
        {
            PartitionKey = row.Tenant,
            RowKey = ObjectId.New(ObjectId.File, now),
            Filename = $"{row.Id}_left.jsonl",
            CreatedAt = now,
        };
        file.Bytes = await WriteLeftAsync(row, file, await SucceededAsync(row, cancellationToken), cancellationToken);
        await files.PutAsync(file, cancellationToken);
        var request = new BatchRequest
        {
            InputFileId = file.Id,
            Endpoint = row.Endpoint,
            CompletionWindow = row.CompletionWindow,
            Metadata = row.Metadata is null ? null : JsonSerializer.Deserialize<SortedDictionary<string, string>>(row.Metadata),
            OutputLifeSeconds = row.OutputLifeSeconds,
            Priority = row.Priority,
            WebhookUrl = row.WebhookUrl,
        };
        var made = await intake.CreateAsync(request, idempotencyKey is null ? null : $"resubmit {id} {idempotencyKey}", fingerprint: "", caller, cancellationToken);
        if (made.InputFileId != file.Id)
        {
            await files.DeleteAsync(file, cancellationToken);
        }

        return made;
    }

    private async Task<BatchRow?> ChangeAsync(string id, Caller caller, Func<BatchRow, BatchRow> change, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(caller.Tenant, id, cancellationToken) is not { } row)
        {
            return null;
        }

        row = await store.UpdateAsync(row, change, cancellationToken);
        await queues.WakeAsync(TimeSpan.Zero, cancellationToken);
        return row;
    }

    private static InvalidJobException Finished(BatchRow row, string what) => new(
        JobErrorCode.BatchFinished, $"batch {row.Id} is {BatchRow.NameOf(row.State)}; only one that goes on can be {what}");

    private async Task<HashSet<UInt128>> SucceededAsync(BatchRow row, CancellationToken cancellationToken)
    {
        var succeeded = new HashSet<UInt128>();
        if (row.OutputBytes == 0)
        {
            return succeeded;
        }

        var output = await FileStore.OpenAsync(blobs.FileOf(row, errors: false), cancellationToken);
        await foreach (var line in LineReader.ReadAsync(output, int.MaxValue - 1, cancellationToken))
        {
            using var json = JsonDocument.Parse(line.Text);
            succeeded.Add(KeyOf(json.RootElement.GetProperty("custom_id").GetString()!));
        }

        return succeeded.Count == row.Succeeded ? succeeded : throw new InvalidJobException(
            JobErrorCode.InputNotFound, $"the output file of batch {row.Id} was deleted, so that its lines that are left are not known");
    }

    private async Task<long> WriteLeftAsync(BatchRow row, StoredFile file, HashSet<UInt128> succeeded, CancellationToken cancellationToken)
    {
        var bytes = 0L;
        var input = await blobs.InputCopy(row).OpenReadAsync(new BlobOpenReadOptions(allowModifications: false), cancellationToken);
        await using var left = await files.OpenWriteAsync(file, cancellationToken);
        await foreach (var line in LineReader.ReadAsync(input, int.MaxValue - 1, cancellationToken))
        {
            using var parsed = BatchLine.Parse(line.Text, row.Endpoint);
            if (!succeeded.Contains(KeyOf(parsed.CustomId)))
            {
                await left.WriteAsync(line.Text, cancellationToken);
                left.WriteByte((byte)'\n');
                bytes += line.Text.Length + 1;
            }
        }

        return bytes;
    }

    private static UInt128 KeyOf(string customId) => BitConverter.ToUInt128(SHA256.HashData(Encoding.UTF8.GetBytes(customId)));
}
