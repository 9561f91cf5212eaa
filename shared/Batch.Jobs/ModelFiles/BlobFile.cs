using System.Security.Cryptography;
using System.Text.Json;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Microsoft.Win32.SafeHandles;

namespace Batch.Jobs.ModelFiles;

/// <summary>
/// One blob on its way to a file: ranges side by side into a <c>.part</c>, with a note beside it of how far it is and of which version; the file has its name only
/// once it is whole and its hash is right.
/// </summary>
internal sealed class BlobFile(BlobClient blob, RemoteFile remote, string folder, int rangeLength)
{
    public const int UsualRange = 8 << 20;

    private const int Ranges = 4;

    private readonly string _file = Path.Combine(folder, remote.Name);
    private readonly string _part = Path.Combine(folder, $"{remote.Name}.part");
    private readonly string _note = Path.Combine(folder, $"{remote.Name}.etag");

    /// <summary>Fetches what is missing; nothing where the file is here in this version.</summary>
    /// <param name="progress">Told of the bytes that are here.</param>
    /// <param name="cancellationToken">Ends the fetching; what came stays.</param>
    public async Task FetchAsync(Action<long> progress, CancellationToken cancellationToken)
    {
        var known = ReadNote();
        if (known == new Note(remote.ETag.ToString(), remote.Length) && File.Exists(_file) && new FileInfo(_file).Length == remote.Length)
        {
            progress(remote.Length);
            return;
        }

        var done = known is not null && known.ETag == remote.ETag.ToString() && File.Exists(_part) ? known.Done : 0;
        using (var target = File.OpenHandle(_part, FileMode.OpenOrCreate, FileAccess.ReadWrite))
        {
            while (done < remote.Length)
            {
                await Task.WhenAll(Enumerable.Range(0, Ranges).Select(i => FetchAsync(target, done + (long)i * rangeLength, cancellationToken)));
                done = Math.Min(remote.Length, done + (long)Ranges * rangeLength);
                RandomAccess.FlushToDisk(target);

                // Checkpoint: the bytes before the note. A crash between them fetches these ranges again.
                WriteNote(done);
                progress(done);
            }
        }

        await RequireHashAsync(cancellationToken);
        File.Move(_part, _file, overwrite: true);
        WriteNote(remote.Length);
        progress(remote.Length);
    }

    private async Task FetchAsync(SafeFileHandle target, long at, CancellationToken cancellationToken)
    {
        if (at >= remote.Length)
        {
            return;
        }

        // Another version in the middle of it is refused (412), and the next try begins anew.
        var options = new BlobDownloadOptions
        {
            Range = new HttpRange(at, Math.Min(rangeLength, remote.Length - at)),
            Conditions = new BlobRequestConditions { IfMatch = remote.ETag },
        };
        var content = (await blob.DownloadContentAsync(options, cancellationToken)).Value.Content.ToMemory();
        await RandomAccess.WriteAsync(target, content, at, cancellationToken);
    }

    private async Task RequireHashAsync(CancellationToken cancellationToken)
    {
        if (remote.Md5 is not { Length: > 0 } wanted)
        {
            return;
        }

        await using var content = File.OpenRead(_part);
        var seen = await CryptographicOperations.HashDataAsync(HashAlgorithmName.MD5, content, cancellationToken); // the one that Azure Storage keeps
        if (!seen.AsSpan().SequenceEqual(wanted))
        {
            content.Close();
            File.Delete(_part);
            throw new InvalidDataException($"{blob.Uri}: what was fetched has MD5 {Convert.ToHexStringLower(seen)}, the blob's is {Convert.ToHexStringLower(wanted)}; it is fetched anew at the next try");
        }
    }

    private Note? ReadNote()
    {
        try
        {
            return File.Exists(_note) ? JsonSerializer.Deserialize<Note>(File.ReadAllText(_note)) : null;
        }
        catch (JsonException)
        {
            return null; // cut off while it was written: begin anew
        }
    }

    private void WriteNote(long done)
    {
        File.WriteAllText($"{_note}.new", JsonSerializer.Serialize(new Note(remote.ETag.ToString(), done)));
        File.Move($"{_note}.new", _note, overwrite: true);
    }

    private sealed record Note(string ETag, long Done);
}
