using System.Text;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>Ranges of characters as sequences of byte ranges (Thompson's and Cox's construction, as in RE2).</summary>
internal static class Utf8Ranges
{
    // Last character of each encoded length.
    private static readonly int[] LengthEnds = [0x7F, 0x7FF, 0xFFFF, 0x10FFFF];

    public static IEnumerable<(byte First, byte Last)[]> Of(CharacterSet set)
    {
        foreach (var (first, last) in set.Ranges)
        {
            var from = first;
            foreach (var end in LengthEnds)
            {
                if (from > Math.Min(last, end))
                {
                    continue;
                }
                foreach (var sequence in Split(from, Math.Min(last, end)))
                {
                    yield return sequence;
                }
                from = end + 1;
            }
        }
    }

    // First and last are of one length. Where they differ before their last byte, whole blocks of the trailing bytes are split off at both ends.
    private static IEnumerable<(byte First, byte Last)[]> Split(int first, int last)
    {
        for (var bits = 6; bits <= 18; bits += 6)
        {
            var block = (1 << bits) - 1;
            if ((first & ~block) == (last & ~block))
            {
                break;
            }
            if ((first & block) != 0)
            {
                return Split(first, first | block).Concat(Split((first | block) + 1, last));
            }
            if ((last & block) != block)
            {
                return Split(first, (last & ~block) - 1).Concat(Split(last & ~block, last));
            }
        }
        Span<byte> low = stackalloc byte[4];
        Span<byte> high = stackalloc byte[4];
        var length = new Rune(first).EncodeToUtf8(low);
        new Rune(last).EncodeToUtf8(high);
        var sequence = new (byte, byte)[length];
        for (var i = 0; i < length; i++)
        {
            sequence[i] = (low[i], high[i]);
        }
        return [sequence];
    }
}
