using Batch.Jobs.Files;

namespace Batch.Jobs.Batches;

/// <summary>The output and error file of a batch: there from the first finished line on, and growing.</summary>
public sealed class BatchFiles(BatchBlobs blobs, FileStore files)
{
    internal async Task AppendAsync(BatchRow row, ReadOnlyMemory<byte> lines, bool isErrors, CancellationToken cancellationToken)
    {
        if (lines.Length == 0)
        {
            return;
        }

        var before = isErrors ? row.ErrorBytes : row.OutputBytes;
        if (before == 0 && row.OutputFolder is null)
        {
            await files.ExpectAsync(row.Tenant, isErrors ? row.ErrorFileId : row.OutputFileId, cancellationToken);
        }

        await BatchBlobs.AppendAsync(blobs.FileOf(row, isErrors), before, lines, cancellationToken);
        if (before == 0 && row.OutputFolder is null)
        {
            await files.PutAsync(FileOf(row, isErrors, bytes: null), cancellationToken);
        }
    }

    /// <summary>The files have their final length.</summary>
    internal async Task FinishAsync(BatchRow row, CancellationToken cancellationToken)
    {
        foreach (var (isErrors, bytes) in new[] { (false, row.OutputBytes), (true, row.ErrorBytes) })
        {
            var file = FileOf(row, isErrors, bytes);
            if (bytes > 0 && row.OutputFolder is null && await files.FindAsync(file.Tenant, file.Id, cancellationToken) is not null)
            {
                await files.PutAsync(file, cancellationToken);
            }
        }
    }

    // The row's times are the batch's, so that it is the same however often it is written.
    private static StoredFile FileOf(BatchRow row, bool isErrors, long? bytes) => new()
    {
        PartitionKey = row.Tenant,
        RowKey = isErrors ? row.ErrorFileId : row.OutputFileId,
        Filename = $"{row.Id}_{(isErrors ? "error" : "output")}.jsonl",
        Purpose = FilePurpose.BatchOutput,
        Bytes = bytes,
        CreatedAt = row.InProgressAt ?? row.CreatedAt,
        KeptFrom = row.ExpiresAt,
        ExpiresAt = row.OutputLifeSeconds is { } seconds ? (row.InProgressAt ?? row.CreatedAt).AddSeconds(seconds) : null,
    };
}
