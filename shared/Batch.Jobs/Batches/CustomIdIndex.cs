using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Batch.Jobs.Batches;

/// <summary>A line's place: its slice, and which line of it.</summary>
internal readonly record struct Place(int Slice, int Line);

/// <summary>
/// Where each line of a batch lies, by its custom_id: places in order of the ids' hashes, which are spread evenly, so that a line is found in one read of a few kilobytes, of however many.
/// </summary>
internal static class CustomIdIndex
{
    private const int Size = 16;

    // Of 50,000 hashes one is farther than this from where it should be about once in ten thousand times.
    private const int Around = 512;

    public static ulong HashOf(string customId) => BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(customId)));

    /// <param name="hashes">Of the lines, in their order.</param>
    /// <param name="slices">Into which they are cut.</param>
    public static byte[] Write(IReadOnlyList<ulong> hashes, IReadOnlyList<Slice> slices)
    {
        var places = slices.SelectMany((slice, number) => Enumerable.Range(0, slice.Lines).Select(line => new Place(number, line)));
        var sorted = hashes.Zip(places).OrderBy(entry => entry.First).ToList();
        var bytes = new byte[sorted.Count * Size];
        for (var i = 0; i < sorted.Count; i++)
        {
            var entry = bytes.AsSpan(i * Size, Size);
            BinaryPrimitives.WriteUInt64BigEndian(entry, sorted[i].First);
            BinaryPrimitives.WriteInt32BigEndian(entry[8..], sorted[i].Second.Slice);
            BinaryPrimitives.WriteInt32BigEndian(entry[12..], sorted[i].Second.Line);
        }

        return bytes;
    }

    /// <summary>Null when no line has that id.</summary>
    /// <param name="lines">Of the batch.</param>
    /// <param name="customId">What to find.</param>
    /// <param name="read">Reads so many bytes of the index from an offset.</param>
    public static async Task<Place?> FindAsync(int lines, string customId, Func<long, int, Task<ReadOnlyMemory<byte>>> read)
    {
        var hash = HashOf(customId);
        var guess = (int)(hash / (double)ulong.MaxValue * lines);
        for (var around = Around; ; around *= 8)
        {
            var (from, to) = (Math.Max(0, guess - around), Math.Min(lines, guess + around));
            var entries = await read((long)from * Size, (to - from) * Size);
            if (Search(entries.Span, hash) is { } place)
            {
                return place;
            }

            var isBelow = from > 0 && BinaryPrimitives.ReadUInt64BigEndian(entries.Span) > hash;
            var isAbove = to < lines && BinaryPrimitives.ReadUInt64BigEndian(entries.Span[^Size..]) < hash;
            if (!isBelow && !isAbove)
            {
                return null;
            }
        }
    }

    private static Place? Search(ReadOnlySpan<byte> entries, ulong hash)
    {
        var (low, high) = (0, (entries.Length / Size) - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var entry = entries.Slice(middle * Size, Size);
            switch (BinaryPrimitives.ReadUInt64BigEndian(entry).CompareTo(hash))
            {
                case 0: return new Place(BinaryPrimitives.ReadInt32BigEndian(entry[8..]), BinaryPrimitives.ReadInt32BigEndian(entry[12..]));
                case < 0: low = middle + 1; break;
                default: high = middle - 1; break;
            }
        }

        return null;
    }
}
