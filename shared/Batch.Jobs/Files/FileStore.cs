using Azure;
using Azure.Data.Tables;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Requests;
using Batch.Jobs.Retention;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Files;

/// <summary>
/// Files: a row each, the bytes in container <c>files</c> under tenant and id. A file whose time is over is no more, whether or not its
/// bytes still lie there.
/// </summary>
public sealed class FileStore(StorageClients clients, TimeProvider time)
{
    public const string FilesTable = "files";
    public const string FilesContainer = "files";

    internal const string ExpiryKind = "file";

    // When bytes are looked at that were to become a file: whether they did.
    private static readonly TimeSpan LongestUpload = TimeSpan.FromDays(1);

    private const int BlockBytes = 4 * 1024 * 1024;

    private readonly TableClient _rows = clients.Tables.GetTableClient(FilesTable);
    private readonly BlobContainerClient _blobs = clients.Blobs.GetBlobContainerClient(FilesContainer);
    private readonly ExpiryIndex _expiries = new(clients);

    internal IdempotencyKeys Keys { get; } = new(clients);

    /// <summary>Streams bytes into the blob of a file that does not exist yet. Nothing is kept when the stream throws.</summary>
    public async Task WriteAsync(string tenant, string id, Stream content, CancellationToken cancellationToken)
    {
        await ExpectAsync(tenant, id, cancellationToken);
        await _blobs.GetBlobClient(BlobName(tenant, id)).UploadAsync(
            content,
            new BlobUploadOptions
            {
                TransferOptions = new StorageTransferOptions
                {
                    InitialTransferSize = BlockBytes,
                    MaximumTransferSize = BlockBytes,
                    MaximumConcurrency = 2,
                },
            },
            cancellationToken);
    }

    /// <summary>Before the first byte of a file that does not exist yet, so that a crash leaves no bytes for ever.</summary>
    internal Task ExpectAsync(string tenant, string id, CancellationToken cancellationToken) =>
        _expiries.AddAsync(ExpiryKind, tenant, id, time.GetUtcNow() + LongestUpload, cancellationToken);

    /// <summary>Where a file's bytes are written that does not exist yet, or again.</summary>
    internal async Task<Stream> OpenWriteAsync(StoredFile file, CancellationToken cancellationToken)
    {
        await ExpectAsync(file.Tenant, file.Id, cancellationToken);
        return await _blobs.GetBlockBlobClient(BlobName(file.Tenant, file.Id)).OpenWriteAsync(overwrite: true, cancellationToken: cancellationToken);
    }

    /// <summary>Makes the file exist, or writes its row anew.</summary>
    public async Task PutAsync(StoredFile file, CancellationToken cancellationToken)
    {
        if (file.ExpiresAt is { } end)
        {
            await _expiries.AddAsync(ExpiryKind, file.Tenant, file.Id, end, cancellationToken);
        }

        await _rows.UpsertEntityAsync(file, TableUpdateMode.Replace, cancellationToken);
    }

    /// <summary>The file, made to exist now or before; null where its bytes are gone, or its time is over.</summary>
    internal async Task<StoredFile?> FindOrAddAsync(StoredFile file, CancellationToken cancellationToken)
    {
        if (await FindAsync(file.Tenant, file.Id, cancellationToken) is { } known)
        {
            return known;
        }

        // Gone, or about to go.
        if (await FindRowAsync(file.Tenant, file.Id, cancellationToken) is not null || !await BlobOf(file).ExistsAsync(cancellationToken))
        {
            return null;
        }

        await PutAsync(file, cancellationToken);
        return file;
    }

    /// <summary>The tenant's file of that id, which may be any text.</summary>
    public async Task<StoredFile?> FindAsync(string tenant, string id, CancellationToken cancellationToken) =>
        await FindRowAsync(tenant, id, cancellationToken) is { } file && IsThere(file) ? file : null;

    /// <summary>The file even if its time is over.</summary>
    internal async Task<StoredFile?> FindRowAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        if (!JsonField.IsName(id))
        {
            return null; // storage would answer 400
        }

        var row = await _rows.GetEntityIfExistsAsync<StoredFile>(tenant, id, cancellationToken: cancellationToken);
        return row.HasValue ? row.Value : null;
    }

    public async Task<FileView> ViewAsync(StoredFile file, CancellationToken cancellationToken) =>
        FileView.Of(file, file.Bytes ?? await LengthAsync(BlobOf(file), cancellationToken));

    /// <summary>Newest first unless <paramref name="ascending"/>, from the one after <paramref name="after"/>.</summary>
    public async Task<Page<FileView>> ListAsync(
        string tenant, string? purpose, bool ascending, string? after, int limit, CancellationToken cancellationToken)
    {
        var filter = TableClient.CreateQueryFilter($"PartitionKey eq {tenant}");
        if (purpose is not null)
        {
            filter += TableClient.CreateQueryFilter($" and Purpose eq {purpose}");
        }

        if (after is not null)
        {
            filter += ascending
                ? TableClient.CreateQueryFilter($" and RowKey lt {after}")
                : TableClient.CreateQueryFilter($" and RowKey gt {after}");
        }

        var rows = _rows.QueryAsync<StoredFile>(filter, cancellationToken: cancellationToken).Where(IsThere);
        if (ascending)
        {
            // The table gives the newest first: the oldest are the end of it all.
            rows = rows.Reverse();
        }

        var found = await rows.Take(limit + 1).Select(async (StoredFile file, CancellationToken token) => await ViewAsync(file, token))
            .ToListAsync(cancellationToken);
        return Page.Of(found, limit, file => file.Id);
    }

    /// <summary>The bytes that are there at this moment.</summary>
    public Task<Stream> OpenAsync(StoredFile file, CancellationToken cancellationToken) => OpenAsync(BlobOf(file), cancellationToken);

    /// <summary>The blob goes first: a crash before the row goes leaves an empty file, which can be deleted again.</summary>
    public async Task DeleteAsync(StoredFile file, CancellationToken cancellationToken)
    {
        await DeleteBytesAsync(file.Tenant, file.Id, cancellationToken);
        await _rows.DeleteEntityAsync(file.PartitionKey, file.RowKey, ETag.All, cancellationToken);
    }

    public async Task DeleteBytesAsync(string tenant, string id, CancellationToken cancellationToken) =>
        await _blobs.GetBlobClient(BlobName(tenant, id)).DeleteIfExistsAsync(cancellationToken: cancellationToken);

    /// <summary>Where a batch writes a file of its tenant.</summary>
    internal AppendBlobClient Appendable(string tenant, string id) => _blobs.GetAppendBlobClient(BlobName(tenant, id));

    public BlobClient BlobOf(StoredFile file) => _blobs.GetBlobClient(BlobName(file.Tenant, file.Id));

    internal static async Task<Stream> OpenAsync(BlobBaseClient blob, CancellationToken cancellationToken)
    {
        try
        {
            // One request, so that a file that still grows is read as it was when reading began.
            return (await blob.DownloadStreamingAsync(cancellationToken: cancellationToken)).Value.Content;
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return Stream.Null;
        }
    }

    private static async Task<long> LengthAsync(BlobClient blob, CancellationToken cancellationToken)
    {
        try
        {
            return (await blob.GetPropertiesAsync(cancellationToken: cancellationToken)).Value.ContentLength;
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return 0;
        }
    }

    private bool IsThere(StoredFile file) => !(file.ExpiresAt <= time.GetUtcNow());

    private static string BlobName(string tenant, string id) => $"{tenant}/{id}";
}
