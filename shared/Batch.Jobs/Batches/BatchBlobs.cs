using System.Globalization;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Batch.Jobs.Files;
using Batch.Jobs.Runs;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>
/// What a batch works with in container <c>batches</c>: the copy of its input, so that nothing that happens to the original touches it; the
/// index of its slices; and the outcomes of slices that no pass has taken up yet.
/// </summary>
public sealed class BatchBlobs(StorageClients clients, FileStore files)
{
    public const string BatchesContainer = "batches";

    // Folders of a batch, with a blob for each slice.
    internal const string Outcomes = "outcomes";
    internal const string Runs = "runs";

    /// <summary>Where output_folder may point unless the settings say otherwise.</summary>
    public const string OutputsContainer = "outputs";

    // What a service of any age takes in one append.
    private const int AppendBytes = 4 * 1024 * 1024;

    private readonly BlobContainerClient _blobs = clients.Blobs.GetBlobContainerClient(BatchesContainer);

    internal BlockBlobClient InputCopy(BatchRow row) => _blobs.GetBlockBlobClient($"{row.Id}/input");

    internal async Task WriteIndexAsync(BatchRow row, IReadOnlyList<Slice> slices, CancellationToken cancellationToken)
    {
        var bytes = new byte[slices.Count * Slice.Size];
        for (var i = 0; i < slices.Count; i++)
        {
            slices[i].Write(bytes.AsSpan(i * Slice.Size));
        }

        await Index(row).UploadAsync(BinaryData.FromBytes(bytes), overwrite: true, cancellationToken);
    }

    internal async Task<IReadOnlyList<Slice>> ReadIndexAsync(BatchRow row, int first, int count, CancellationToken cancellationToken)
    {
        var bytes = await ReadRangeAsync(Index(row), (long)first * Slice.Size, count * Slice.Size, cancellationToken);
        return [.. Enumerable.Range(0, bytes.Length / Slice.Size).Select(i => Slice.Read(bytes.Span[(i * Slice.Size)..]))];
    }

    /// <summary>Where each line lies by its custom_id: a blob of its own, as only those who ask for one line read it.</summary>
    internal async Task WriteCustomIdsAsync(BatchRow row, IReadOnlyList<ulong> hashes, IReadOnlyList<Slice> slices, CancellationToken cancellationToken) =>
        await CustomIds(row).UploadAsync(BinaryData.FromBytes(CustomIdIndex.Write(hashes, slices)), overwrite: true, cancellationToken);

    internal Task<Place?> FindLineAsync(BatchRow row, string customId, CancellationToken cancellationToken) =>
        CustomIdIndex.FindAsync(row.Lines, customId, (offset, length) => ReadRangeAsync(CustomIds(row), offset, length, cancellationToken));

    internal Task<ReadOnlyMemory<byte>> ReadLinesAsync(string batchId, Slice slice, CancellationToken cancellationToken) =>
        ReadRangeAsync(_blobs.GetBlobClient($"{batchId}/input"), slice.Offset, slice.Length, cancellationToken);

    /// <summary>Writes the outcome unless the slice has one.</summary>
    internal async Task AddOutcomeAsync(string batchId, int slice, SliceOutcome outcome, CancellationToken cancellationToken)
    {
        try
        {
            await Outcome(batchId, slice).UploadAsync(
                BinaryData.FromObjectAsJson(outcome, JobJson.Options),
                new BlobUploadOptions { Conditions = new BlobRequestConditions { IfNoneMatch = ETag.All } },
                cancellationToken);
        }
        catch (RequestFailedException e) when (e.Status is 409 or 412)
        {
            // The first one stands.
        }
    }

    /// <summary>The slices that have an outcome, with its size, in order.</summary>
    internal IAsyncEnumerable<(int Slice, long Bytes)> ListOutcomesAsync(BatchRow row, CancellationToken cancellationToken) =>
        _blobs.GetBlobsAsync(new GetBlobsOptions { Prefix = $"{row.Id}/outcomes/" }, cancellationToken)
            .Select(blob => (int.Parse(blob.Name[^6..], CultureInfo.InvariantCulture), blob.Properties.ContentLength ?? 0));

    internal async Task<SliceOutcome?> FindOutcomeAsync(BatchRow row, int slice, CancellationToken cancellationToken)
    {
        try
        {
            var blob = await Outcome(row.Id, slice).DownloadContentAsync(cancellationToken);
            return blob.Value.Content.ToObjectFromJson<SliceOutcome>(JobJson.Options);
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return null;
        }
    }

    /// <summary>The slices that have a blob in a folder of the batch.</summary>
    internal async Task<HashSet<int>> ListSlicesAsync(string batchId, string folder, CancellationToken cancellationToken) =>
        await _blobs.GetBlobsAsync(new GetBlobsOptions { Prefix = $"{batchId}/{folder}/" }, cancellationToken)
            .Select(blob => int.Parse(blob.Name[^6..], CultureInfo.InvariantCulture)).ToHashSetAsync(cancellationToken: cancellationToken);

    /// <summary>How far each line of a slice is, as its run last saved it; null when no run has begun.</summary>
    internal async Task<IReadOnlyList<RunCheckpoint>?> FindCheckpointsAsync(string batchId, int slice, CancellationToken cancellationToken) =>
        await new RunBlob(Run(batchId, slice), "").ReadAsync(cancellationToken) is { } kept ? CheckpointFormat.Read(kept.Content) ?? [] : null;

    internal async Task<bool> HasOutcomeAsync(string batchId, int slice, CancellationToken cancellationToken) =>
        await Outcome(batchId, slice).ExistsAsync(cancellationToken);

    /// <summary>Deletes the outcome, and before it what its run left.</summary>
    internal async Task DeleteOutcomeAsync(BatchRow row, int slice, CancellationToken cancellationToken)
    {
        await Run(row.Id, slice).DeleteIfExistsAsync(cancellationToken: cancellationToken);
        await Outcome(row.Id, slice).DeleteIfExistsAsync(cancellationToken: cancellationToken);
    }

    /// <summary>The blob of the checkpoint of a slice's run, for the run that <paramref name="owner"/> names.</summary>
    internal RunBlob RunBlob(SliceMessage work, string owner) => new(Run(work.BatchId, work.Number), owner);

    /// <summary>Deletes all that the batch worked with.</summary>
    internal async Task DeleteAllAsync(string batchId, CancellationToken cancellationToken)
    {
        await foreach (var blob in _blobs.GetBlobsAsync(new GetBlobsOptions { Prefix = $"{batchId}/" }, cancellationToken))
        {
            await _blobs.DeleteBlobIfExistsAsync(blob.Name, cancellationToken: cancellationToken);
        }
    }

    /// <summary>The output or error file of a batch: an uploaded file's own, or in the folder that the caller named.</summary>
    internal AppendBlobClient FileOf(BatchRow row, bool errors)
    {
        if (row.OutputFolder is not { } folder)
        {
            return files.Appendable(row.Tenant, errors ? row.ErrorFileId : row.OutputFileId);
        }

        var slash = folder.IndexOf('/', StringComparison.Ordinal);
        var (container, prefix) = slash < 0 ? (folder, "") : (folder[..slash], folder[(slash + 1)..] + "/");
        return clients.Blobs.GetBlobContainerClient(container).GetAppendBlobClient($"{prefix}{row.Id}/{(errors ? "errors" : "results")}.jsonl");
    }

    /// <summary>
    /// Puts <paramref name="content"/> at <paramref name="start"/>, the length of the file before this pass. Begun again after a crash, or
    /// by two at once, each byte still comes there once, since it is the same bytes and an append elsewhere is refused.
    /// </summary>
    internal static async Task AppendAsync(AppendBlobClient blob, long start, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        if (start == 0)
        {
            await CreateAsync(blob, cancellationToken);
        }

        for (var done = 0; done < content.Length;)
        {
            var part = content.Slice(done, Math.Min(AppendBytes, content.Length - done));
            try
            {
                using var body = new MemoryStream(part.ToArray(), writable: false);
                await blob.AppendBlockAsync(
                    body, new AppendBlobAppendBlockOptions { Conditions = new AppendBlobRequestConditions { IfAppendPositionEqual = start + done } }, cancellationToken);
                done += part.Length;
            }
            catch (RequestFailedException e) when (e.Status == 404)
            {
                // Its owner deleted the file while the batch was writing it, and so wants no more of it.
                return;
            }
            catch (RequestFailedException e) when (e.Status == 412)
            {
                var length = (await blob.GetPropertiesAsync(cancellationToken: cancellationToken)).Value.ContentLength;
                done = length > start + done ? (int)Math.Min(length - start, content.Length) : throw new InvalidDataException(
                    $"{blob.Name} holds {length} bytes, its batch counted {start}; it was changed from outside", e);
            }
        }
    }

    private static async Task CreateAsync(AppendBlobClient blob, CancellationToken cancellationToken)
    {
        try
        {
            await blob.CreateAsync(
                new AppendBlobCreateOptions
                {
                    Conditions = new AppendBlobRequestConditions { IfNoneMatch = ETag.All },
                    HttpHeaders = new BlobHttpHeaders { ContentType = "application/jsonl" },
                },
                cancellationToken);
        }
        catch (RequestFailedException e) when (e.Status is 409 or 412)
        {
            // A pass that was begun before made it.
        }
    }

    private static async Task<ReadOnlyMemory<byte>> ReadRangeAsync(BlobBaseClient blob, long offset, int length, CancellationToken cancellationToken)
    {
        var options = new BlobDownloadOptions { Range = new HttpRange(offset, length) };
        return (await blob.DownloadContentAsync(options, cancellationToken)).Value.Content.ToMemory();
    }

    private BlobClient CustomIds(BatchRow row) => _blobs.GetBlobClient($"{row.Id}/ids");

    private BlobClient Index(BatchRow row) => _blobs.GetBlobClient($"{row.Id}/slices");

    private BlobClient Run(string batchId, int slice) => _blobs.GetBlobClient(string.Create(CultureInfo.InvariantCulture, $"{batchId}/runs/{slice:D6}"));

    private BlobClient Outcome(string batchId, int slice) =>
        _blobs.GetBlobClient(string.Create(CultureInfo.InvariantCulture, $"{batchId}/outcomes/{slice:D6}"));
}
