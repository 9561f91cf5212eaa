using Azure;
using Azure.Core;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Batch.Inference.Engine;
using Batch.Inference.Weights;
using Batch.Jobs.Storage;

namespace Batch.Jobs.ModelFiles;

/// <summary>
/// Brings a model that lies in blobs to a folder on this machine's disk: <c>Engine:ModelPath</c> is then an address such as
/// <c>https://ACCOUNT.blob.core.windows.net/models/Llama-3.2-1B</c>, read with this process's identity. What came before a crash is not fetched again. With
/// <c>Engine:StreamWeights</c> the weights stay where they are, and whoever loads them reads them there.
/// </summary>
public sealed class BlobModel(StorageClients clients, TokenCredential credential)
{
    // What a Hugging Face folder needs; other formats of the same weights would only take place.
    private static readonly string[] Endings = [".json", ".safetensors", ".model", ".txt", ".jinja", Checksums.FileName];

    internal int? RangeLength { get; init; }

    /// <summary>Whether a model path is an address and not a folder.</summary>
    public static bool IsAddress(string path) =>
        path.StartsWith("https://", StringComparison.OrdinalIgnoreCase) || path.StartsWith("http://", StringComparison.OrdinalIgnoreCase);

    /// <summary>The options with a folder for a path: as they are where they have one, else once the folder is whole.</summary>
    /// <exception cref="InvalidDataException">The address is none of a folder of blobs, or a file is not what it should be.</exception>
    /// <exception cref="FileNotFoundException">Nothing lies there.</exception>
    public async Task<EngineOptions> FetchAsync(EngineOptions options, IProgress<LoadProgress> progress, CancellationToken cancellationToken)
    {
        if (!IsAddress(options.ModelPath))
        {
            return options;
        }

        var (container, prefix) = Open(options.ModelPath);
        var found = await ListAsync(container, prefix, options.ModelPath, cancellationToken);
        var blobs = options.StreamWeights ? [.. found.Where(blob => !IsWeights(blob))] : found;
        var folder = Path.Combine(options.ModelCache, container.AccountName, container.Name, prefix.TrimEnd('/'));
        Directory.CreateDirectory(folder);
        var whole = blobs.Sum(blob => blob.Length);
        long done = 0;
        foreach (var blob in blobs)
        {
            await new BlobFile(container.GetBlobClient(prefix + blob.Name), blob, folder, RangeLength ?? BlobFile.UsualRange).FetchAsync(
                of => progress.Report(new LoadProgress(done + of, whole)), cancellationToken);
            done += blob.Length;
        }

        IReadOnlyDictionary<string, string> sums = new Dictionary<string, string>();
        if (blobs.Exists(blob => blob.Name == Checksums.FileName))
        {
            sums = await Checksums.ReadAsync(folder, cancellationToken);
            await Checksums.VerifyAsync(folder, blobs.Select(blob => blob.Name), sums, cancellationToken);
        }

        return options.At(folder, options.StreamWeights ? new BlobWeights(container, prefix, [.. found.Where(IsWeights)], sums, RangeLength ?? BlobWeights.UsualRange, cancellationToken) : null);
    }

    private static bool IsWeights(RemoteFile file) => file.Name.EndsWith(".safetensors", StringComparison.Ordinal);

    private (BlobContainerClient Container, string Prefix) Open(string path)
    {
        var address = new BlobUriBuilder(new Uri(path));
        if (address.BlobContainerName.Length == 0 || address.BlobName.Trim('/').Length == 0 || address.Sas is not null || address.Query.Length > 0)
        {
            throw new InvalidDataException($"{new Uri(path).GetLeftPart(UriPartial.Path)}: the address of a model must be that of a folder, https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER, without a signature: it is read with this process's identity");
        }

        var prefix = $"{address.BlobName.Trim('/')}/";
        (address.BlobName, var own) = ("", new BlobUriBuilder(clients.Blobs.Uri));
        var isOwn = address.Host == own.Host && address.Port == own.Port && address.AccountName == own.AccountName;
        return (isOwn ? clients.Blobs.GetBlobContainerClient(address.BlobContainerName) : new BlobContainerClient(address.ToUri(), credential), prefix);
    }

    private static async Task<List<RemoteFile>> ListAsync(BlobContainerClient container, string prefix, string path, CancellationToken cancellationToken)
    {
        var found = new List<RemoteFile>();
        try
        {
            await foreach (var blob in container.GetBlobsAsync(BlobTraits.None, BlobStates.None, prefix, cancellationToken))
            {
                var name = blob.Name[prefix.Length..];
                if (!name.Contains('/', StringComparison.Ordinal) && Path.GetFileName(name) == name && Endings.Any(ending => name.EndsWith(ending, StringComparison.Ordinal)))
                {
                    found.Add(new RemoteFile(name, blob.Properties.ContentLength ?? 0, blob.Properties.ETag.GetValueOrDefault(), blob.Properties.ContentHash));
                }
            }
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            throw new FileNotFoundException($"{path}: there is no container '{container.Name}'", e);
        }

        return found.Count > 0 ? found : throw new FileNotFoundException($"{path} holds no model: no config.json, no *.safetensors");
    }
}

/// <summary>A file of the model where it lies. The hash is MD5, where whoever wrote it gave one.</summary>
internal sealed record RemoteFile(string Name, long Length, ETag ETag, byte[]? Md5);
