using System.Security.Cryptography;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Files;

/// <summary>Reads another stream through, hashing it where asked, and ends it with an error where it is longer than it may be.</summary>
internal sealed class CountedStream(Stream inner, long most, IncrementalHash? hash = null) : Stream
{
    public long Count { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => Count;
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await inner.ReadAsync(buffer, cancellationToken);
        return Counted(buffer.Span, read);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => Counted(buffer.AsSpan(offset), inner.Read(buffer, offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int Counted(ReadOnlySpan<byte> buffer, int read)
    {
        hash?.AppendData(buffer[..read]);
        Count += read;
        return Count <= most
            ? read
            : throw new InvalidJobException(JobErrorCode.RequestTooLarge, $"a file must be at most {most} bytes, was longer", "file");
    }
}
