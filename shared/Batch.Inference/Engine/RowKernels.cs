using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Batch.Inference.Engine;

/// <summary>
/// Passes over a row of logits, a block of them at a time, in the widest vectors that the machine has. Elements are computed each by itself and sums in
/// doubles, in the same lanes on every machine.
/// </summary>
internal static class RowKernels
{
    public const int Block = 128;

    private const float Log2E = 1.44269504f, Ln2High = 0.693359375f, Ln2Low = -2.12194440e-4f, Least = -87.33654f;
    private const float P0 = 1.9875691500e-4f, P1 = 1.3981999507e-3f, P2 = 8.3334519073e-3f, P3 = 4.1665795894e-2f, P4 = 1.6666665459e-1f, P5 = 5.0000001201e-1f;

    public static int Blocks(int length) => (length + Block - 1) / Block;

    /// <summary>The largest of each block, and of all; NaN when the row holds one.</summary>
    public static float BlockMaxima(ReadOnlySpan<float> row, Span<float> maxima)
    {
        var max = float.NegativeInfinity;
        var wrong = Vector256<float>.Zero; // all bits where an element is no number
        Span<float> padded = stackalloc float[Block];
        for (var block = 0; block < Blocks(row.Length); block++)
        {
            var values = MemoryMarshal.Cast<float, Vector256<float>>(BlockOf(row, block, padded));
            var (a, b) = (values[0], values[1]);
            wrong |= ~(Vector256.Equals(a, a) & Vector256.Equals(b, b));
            for (var i = 2; i < values.Length; i += 2)
            {
                var (c, d) = (values[i], values[i + 1]);
                wrong |= ~(Vector256.Equals(c, c) & Vector256.Equals(d, d));
                (a, b) = (Vector256.MaxNative(a, c), Vector256.MaxNative(b, d));
            }
            var largest = Largest(Vector256.MaxNative(a, b));
            maxima[block] = largest;
            max = largest > max ? largest : max;
        }
        return wrong.ExtractMostSignificantBits() != 0 ? float.NaN : max;
    }

    /// <summary>exp((x - max) / temperature) of each element, 0 where that is below the least.</summary>
    /// <param name="row">[n]</param>
    /// <param name="weights">Room for whole blocks.</param>
    /// <param name="masses">Gets the sum of each block.</param>
    /// <returns>The sum of all.</returns>
    public static double Weights(ReadOnlySpan<float> row, float max, float temperature, float least, Span<float> weights, Span<double> masses)
    {
        var total = 0.0;
        Span<float> padded = stackalloc float[Block];
        for (var block = 0; block < Blocks(row.Length); block++)
        {
            var target = weights.Slice(block * Block, Block);
            Exp(BlockOf(row, block, padded), max, temperature, target);
            var (low, high) = (Vector256<double>.Zero, Vector256<double>.Zero);
            foreach (ref var values in MemoryMarshal.Cast<float, Vector256<float>>(target))
            {
                values = Vector256.ConditionalSelect(Vector256.GreaterThanOrEqual(values, Vector256.Create(least)), values, Vector256<float>.Zero);
                var (l, h) = Vector256.Widen(values);
                (low, high) = (low + l, high + h);
            }
            masses[block] = Vector256.Sum(low + high);
            total += masses[block];
        }
        return total;
    }

    /// <summary>The first element that equals the largest.</summary>
    public static int IndexOf(ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, float max)
    {
        var block = 0;
        while (maxima[block] != max)
        {
            block++;
        }
        var index = block * Block;
        while (row[index] != max)
        {
            index++;
        }
        return index;
    }

    /// <summary>How many elements are larger.</summary>
    public static int CountAbove(ReadOnlySpan<float> row, float value)
    {
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(row);
        var counts = Vector256<int>.Zero; // -1 for each
        foreach (var values in vectors)
        {
            counts += Vector256.GreaterThan(values, Vector256.Create(value)).AsInt32();
        }
        var count = -Vector256.Sum(counts);
        foreach (var rest in row[(vectors.Length * Vector256<float>.Count)..])
        {
            count += rest > value ? 1 : 0;
        }
        return count;
    }

    /// <summary>The k-th largest element (Hoare 1961, FIND); the elements are moved about.</summary>
    public static float KthLargest(Span<float> values, int k)
    {
        var (left, right) = (0, values.Length - 1);
        while (left < right)
        {
            var pivot = values[(left + right) / 2];
            var (i, j) = (left, right);
            while (i <= j)
            {
                while (values[i] > pivot)
                {
                    i++;
                }
                while (values[j] < pivot)
                {
                    j--;
                }
                if (i <= j)
                {
                    (values[i], values[j]) = (values[j], values[i]);
                    i++;
                    j--;
                }
            }
            (left, right) = k - 1 <= j ? (left, j) : k - 1 >= i ? (i, right) : (k - 1, k - 1);
        }
        return values[k - 1];
    }

    private static void Exp(ReadOnlySpan<float> row, float max, float temperature, Span<float> target)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            var from = MemoryMarshal.Cast<float, Vector512<float>>(row);
            var to = MemoryMarshal.Cast<float, Vector512<float>>(target);
            for (var i = 0; i < to.Length; i++)
            {
                var shifted = from[i] - Vector512.Create(max);
                to[i] = Exp(temperature == 1f ? shifted : shifted / temperature);
            }
        }
        else
        {
            var from = MemoryMarshal.Cast<float, Vector256<float>>(row);
            var to = MemoryMarshal.Cast<float, Vector256<float>>(target);
            for (var i = 0; i < to.Length; i++)
            {
                var shifted = from[i] - Vector256.Create(max);
                to[i] = Exp(temperature == 1f ? shifted : shifted / temperature);
            }
        }
    }

    // e^x for x of at most 0, exactly 1 at 0 and 0 below the smallest normal number: 2^n e^r with the polynomial of Cephes' expf (Moshier 1992). The
    // framework's gives 1 + 2^-23 at 0.
    private static Vector512<float> Exp(Vector512<float> x)
    {
        var n = Vector512.Round(x * Log2E);
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2High), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Low), r);
        var p = Vector512.Create(P0);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(P1));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(P2));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(P3));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(P4));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(P5));
        p = Vector512.FusedMultiplyAdd(p, r * r, r) + Vector512<float>.One;
        var power = ((Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23).AsSingle();
        return Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512.Create(Least)), p * power, Vector512<float>.Zero);
    }

    private static Vector256<float> Exp(Vector256<float> x)
    {
        var n = Vector256.Round(x * Log2E);
        var r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2High), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2Low), r);
        var p = Vector256.Create(P0);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(P1));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(P2));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(P3));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(P4));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(P5));
        p = Vector256.FusedMultiplyAdd(p, r * r, r) + Vector256<float>.One;
        var power = ((Vector256.ConvertToInt32Native(n) + Vector256.Create(127)) << 23).AsSingle();
        return Vector256.ConditionalSelect(Vector256.GreaterThan(x, Vector256.Create(Least)), p * power, Vector256<float>.Zero);
    }

    private static float Largest(Vector256<float> values)
    {
        var half = Vector128.MaxNative(values.GetLower(), values.GetUpper());
        var pair = Vector128.MaxNative(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
        return Math.Max(pair[0], pair[1]);
    }

    // A whole block; the last one filled up with what has no weight.
    private static ReadOnlySpan<float> BlockOf(ReadOnlySpan<float> row, int block, Span<float> padded)
    {
        var rest = row[(block * Block)..];
        if (rest.Length >= Block)
        {
            return rest[..Block];
        }
        rest.CopyTo(padded);
        padded[rest.Length..].Fill(float.NegativeInfinity);
        return padded;
    }
}
