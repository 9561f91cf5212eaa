using System.Security.Cryptography;

namespace Batch.Jobs.ModelFiles;

/// <summary>The SHA-256 of a file that comes piece by piece, counted while the next piece is on its way. One thread hands the pieces in.</summary>
/// <param name="path">What messages call the file.</param>
internal sealed class StreamedHash(string path, string wanted) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private Task _appended = Task.CompletedTask;
    private long _at;

    /// <summary>The next piece. It is not copied: whoever hands it in leaves it as it is.</summary>
    public void Append(long at, ReadOnlyMemory<byte>[] parts)
    {
        if (at != _at)
        {
            throw new InvalidOperationException($"{path}: read at byte {at} after byte {_at}; what is held to a hash is read once, in order");
        }

        _at += parts.Sum(part => (long)part.Length);
        _appended.GetAwaiter().GetResult(); // at most one piece waits
        _appended = Task.Run(() =>
        {
            foreach (var part in parts)
            {
                _hash.AppendData(part.Span);
            }
        });
    }

    /// <summary>After the last piece.</summary>
    /// <exception cref="InvalidDataException">The hash is another than the one wanted.</exception>
    public void Require()
    {
        _appended.GetAwaiter().GetResult();
        var seen = _hash.GetHashAndReset();
        if (!Checksums.IsSame(seen, wanted))
        {
            throw new InvalidDataException($"{Checksums.Difference(path, seen, wanted)}: upload the file again, or the list that belongs to it");
        }
    }

    public void Dispose()
    {
        _appended.GetAwaiter().GetResult(); // it is still counting where the loading broke off
        _hash.Dispose();
    }
}
