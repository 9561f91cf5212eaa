using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Batch.Jobs.Batches;

/// <summary>The lines of a stream of any length, one at a time in memory, without their ends and without a byte order mark.</summary>
internal static class LineReader
{
    /// <param name="stream">Read to its end, and closed.</param>
    /// <param name="longest">A longer line comes as <see cref="InputLine.IsTooLong"/>, the last.</param>
    public static async IAsyncEnumerable<InputLine> ReadAsync(Stream stream, int longest, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 256 * 1024));
        try
        {
            for (var number = 1; ; number++)
            {
                var (line, ended) = await ReadLineAsync(reader, longest, cancellationToken);
                if (line is null)
                {
                    yield break;
                }

                yield return new InputLine(number, Trim(line, number), line.Length > longest);
                if (ended || line.Length > longest)
                {
                    yield break;
                }
            }
        }
        finally
        {
            await reader.CompleteAsync();
        }
    }

    private static async Task<(byte[]? Line, bool Ended)> ReadLineAsync(PipeReader reader, int longest, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken);
            if (read.Buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = read.Buffer.Slice(0, end).ToArray();
                reader.AdvanceTo(read.Buffer.GetPosition(1, end));
                return (line, false);
            }

            if (read.IsCompleted || read.Buffer.Length > longest)
            {
                var rest = read.Buffer.IsEmpty ? null : read.Buffer.Slice(0, Math.Min(read.Buffer.Length, (long)longest + 1)).ToArray();
                reader.AdvanceTo(read.Buffer.End);
                return (rest, true);
            }

            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    private static ReadOnlyMemory<byte> Trim(byte[] line, int number)
    {
        var text = line.AsMemory();
        if (number == 1 && text.Span.StartsWith("\uFEFF"u8))
        {
            text = text[3..];
        }

        while (text.Length > 0 && text.Span[^1] is (byte)'\r' or (byte)' ' or (byte)'\t')
        {
            text = text[..^1];
        }

        return text;
    }
}

/// <summary>A line of an input, by its number from 1.</summary>
internal readonly record struct InputLine(int Number, ReadOnlyMemory<byte> Text, bool IsTooLong);
