using System.Globalization;
using System.Security.Cryptography;
using Batch.Jobs.Access;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Files;

/// <summary>
/// Takes one upload, part by part in whatever order they come: the bytes go to their blob as they arrive, and the file exists once
/// everything about it was right.
/// </summary>
public sealed class FileIntake(FileStore files, TimeProvider time)
{
    /// <summary>OpenAI's limit for the file of a batch.</summary>
    public const long MaxBytes = 200 * 1024 * 1024;

    /// <summary>How long a caller may ask a file to be kept: an hour to thirty days.</summary>
    public const int ShortestLife = 3600;
    public const int LongestLife = 2_592_000;

    /// <summary>Begins an upload; under an <paramref name="idempotencyKey"/> that came before it ends as the file of then.</summary>
    public FileUpload Begin(Caller caller, string? idempotencyKey) =>
        new(caller.Tenant, ObjectId.New(ObjectId.File, time.GetUtcNow()), idempotencyKey);

    public async Task AddContentAsync(FileUpload upload, string? filename, Stream content, CancellationToken cancellationToken)
    {
        if (upload.Filename is not null)
        {
            throw Wrong("file", "one file must be sent, saw a second");
        }

        upload.Filename = filename is { Length: > 0 and <= 255 } ? filename : throw Wrong("file", "file must have a name of 1 to 255 characters");
        using var counted = new CountedStream(content, MaxBytes, upload.Hash);
        await files.WriteAsync(upload.Tenant, upload.Id, counted, cancellationToken);
        upload.Bytes = counted.Count;
    }

    public static void AddField(FileUpload upload, string name, string value)
    {
        if (!upload.Fields.TryAdd(name, value))
        {
            throw Wrong(name, $"{name} must be sent once, saw a second");
        }

        switch (name)
        {
            case "purpose":
                _ = value == FilePurpose.Batch ? value : throw Wrong(name, $"purpose must be 'batch', was {JsonField.Quote(value)}");
                break;
            case "expires_after[anchor]":
                RequireAnchor(value);
                break;
            case "expires_after[seconds]":
                upload.Life = ReadLife(value);
                break;
            default:
                throw Wrong(JsonField.Clip(name), $"unknown field {JsonField.Quote(name)}; check its spelling or leave it out");
        }
    }

    /// <summary>Makes the file exist.</summary>
    public async Task<FileView> FinishAsync(FileUpload upload, CancellationToken cancellationToken)
    {
        if (upload.Filename is null || !upload.Fields.ContainsKey("purpose"))
        {
            throw Wrong(upload.Filename is null ? "file" : "purpose", "an upload must have the parts file and purpose");
        }

        if (upload.Fields.ContainsKey("expires_after[anchor]") != upload.Life is not null)
        {
            throw Wrong("expires_after", "expires_after must have both anchor and seconds");
        }

        var now = time.GetUtcNow();
        var file = new StoredFile
        {
            PartitionKey = upload.Tenant,
            RowKey = upload.Id,
            Filename = upload.Filename,
            Bytes = upload.Bytes,
            CreatedAt = now,
            ExpiresAt = upload.Life is { } life ? now + life : null,
        };
        if (await FirstAsync(upload, file, cancellationToken) is { } first)
        {
            await AbandonAsync(upload);
            return FileView.Of(first, upload.Bytes);
        }

        upload.MayExist = true;
        await files.PutAsync(file, cancellationToken);
        return FileView.Of(file, upload.Bytes);
    }

    // The file of the same key and content that came first, if it is there. Its bytes came before its reservation: where its row is missing,
    // whoever made it is about to write it, or has crashed, and it is written here.
    private async Task<StoredFile?> FirstAsync(FileUpload upload, StoredFile file, CancellationToken cancellationToken)
    {
        if (upload.IdempotencyKey is not { } key)
        {
            return null;
        }

        var fingerprint = IdempotencyKeys.FingerprintOf(new { file.Filename, upload.Fields, Sha256 = Convert.ToHexStringLower(upload.Hash!.GetHashAndReset()) });
        var id = await files.Keys.ReserveAsync(file.Tenant, "files", key, fingerprint, file.Id, file.CreatedAt, cancellationToken);
        if (id == file.Id)
        {
            return null;
        }

        var first = await files.FindOrAddAsync(file with { RowKey = id }, cancellationToken);
        if (first is null)
        {
            await files.Keys.ReplaceAsync(file.Tenant, "files", key, fingerprint, file.Id, cancellationToken);
        }

        return first;
    }

    /// <summary>
    /// Drops the bytes of an upload that went wrong; not those of a file whose row may have been written though no answer came: if it was not, the sweeper drops them.
    /// </summary>
    public Task AbandonAsync(FileUpload upload) =>
        upload.Filename is null || upload.MayExist ? Task.CompletedTask : files.DeleteBytesAsync(upload.Tenant, upload.Id, CancellationToken.None);

    internal static void RequireAnchor(string value) =>
        _ = value == "created_at" ? value : throw Wrong("expires_after", $"the anchor must be 'created_at', was {JsonField.Quote(value)}");

    internal static TimeSpan RequireLife(long seconds, string param) => seconds is >= ShortestLife and <= LongestLife
        ? TimeSpan.FromSeconds(seconds)
        : throw Wrong(param, $"seconds must be from {ShortestLife} to {LongestLife}, was {seconds}");

    private static TimeSpan ReadLife(string value) => long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
        ? RequireLife(seconds, "expires_after")
        : throw Wrong("expires_after", $"seconds must be an integer, was {JsonField.Quote(value)}");

    private static InvalidJobException Wrong(string param, string message) => new(JobErrorCode.InvalidRequest, message, param);
}

/// <summary>An upload on its way.</summary>
public sealed class FileUpload(string tenant, string id, string? idempotencyKey) : IDisposable
{
    public string Tenant => tenant;

    public string Id => id;

    internal string? Filename { get; set; }

    internal long Bytes { get; set; }

    internal TimeSpan? Life { get; set; }

    internal bool MayExist { get; set; }

    internal SortedDictionary<string, string> Fields { get; } = new(StringComparer.Ordinal);

    internal string? IdempotencyKey => idempotencyKey;

    internal IncrementalHash? Hash { get; } = idempotencyKey is null ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public void Dispose() => Hash?.Dispose();
}
