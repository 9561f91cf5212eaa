using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Batch.Inference.Weights;

namespace Batch.Jobs.ModelFiles;

/// <summary>The weights of a model in blobs, read by ranges: a model that is larger than this machine's disk.</summary>
/// <param name="files">As they were listed: another version of one is refused.</param>
/// <param name="sums">What SHA256SUMS says, where it is there: a file that it names is refused with another hash once its last byte is read.</param>
/// <param name="cancellationToken">Ends the reading, which knows no other way.</param>
internal sealed class BlobWeights(
    BlobContainerClient container, string prefix, IReadOnlyList<RemoteFile> files, IReadOnlyDictionary<string, string> sums, int rangeLength, CancellationToken cancellationToken) : IWeightFiles
{
    // The loader asks for 16 MiB at most: eight ranges side by side.
    public const int UsualRange = 2 << 20;

    public bool Contains(string name) => files.Any(file => file.Name == name);

    public IWeightFile Open(string name)
    {
        var blob = container.GetBlobClient(prefix + name);
        var hash = sums.TryGetValue(name, out var wanted) ? new StreamedHash(blob.Uri.ToString(), wanted) : null;
        return new BlobWeightFile(blob, files.Single(file => file.Name == name), hash, rangeLength, cancellationToken);
    }
}

/// <summary>One blob of weights.</summary>
/// <param name="hash">It is held to; the file's own from now on.</param>
internal sealed class BlobWeightFile(BlobClient blob, RemoteFile remote, StreamedHash? hash, int rangeLength, CancellationToken cancellationToken) : IWeightFile
{
    public string Path => blob.Uri.ToString();

    public long Length => remote.Length;

    public bool InOrder => hash is not null;

    public int Read(long at, Span<byte> target)
    {
        var length = (int)Math.Min(target.Length, remote.Length - at);
        var ranges = Enumerable.Range(0, (length + rangeLength - 1) / rangeLength).Select(i => i * rangeLength).ToList();

        // The loader's thread is its own and has to wait in any case.
        var parts = Task.WhenAll(ranges.Select(offset => FetchAsync(at + offset, Math.Min(rangeLength, length - offset)))).GetAwaiter().GetResult();
        foreach (var (offset, part) in ranges.Zip(parts))
        {
            part.Span.CopyTo(target[offset..]);
        }

        hash?.Append(at, parts);
        if (at + length == remote.Length)
        {
            hash?.Require();
        }

        return length;
    }

    public void Dispose() => hash?.Dispose(); // the blob is not held open

    private async Task<ReadOnlyMemory<byte>> FetchAsync(long at, int length)
    {
        var options = new BlobDownloadOptions { Range = new HttpRange(at, length), Conditions = new BlobRequestConditions { IfMatch = remote.ETag } };
        return (await blob.DownloadContentAsync(options, cancellationToken)).Value.Content.ToMemory();
    }
}
