namespace Batch.Functions.Tests;

/// <summary>A stream of so many bytes, made as they are read.</summary>
internal sealed class EndlessLines(long length) : Stream
{
    private long _position;

    /// <summary>The most memory, in bytes, that was held whenever another 32 MiB had been read.</summary>
    public long MostHeld { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count)
    {
        const long Stretch = 32 << 20;
        var read = (int)Math.Min(count, length - _position);
        buffer.AsSpan(offset, read).Fill((byte)'x');
        if ((_position + read) / Stretch > _position / Stretch)
        {
            MostHeld = Math.Max(MostHeld, GC.GetTotalMemory(forceFullCollection: true));
        }

        _position += read;
        return read;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
