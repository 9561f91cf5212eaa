using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Batch.Inference.Kernels;

/// <summary>
/// What <see cref="Brgemm"/> does not do: the product of one row with a tile, as fast as the tile comes from memory, and weights as the processor multiplies them.
/// Each sum is the same chain as there, bit for bit: one fused addition after the other along the inner dimension.
/// </summary>
internal static unsafe class TileKernel<T>
    where T : struct, ITile
{
    private const int Outputs = 32, Half = 16; // in a vector
    private const int Ahead = 4096; // bytes: what a core reads while one line comes from memory

    /// <param name="x">[inner]</param>
    /// <param name="product">[32]</param>
    /// <param name="oddFirst">
    /// In pairs, the second of a pair first, which is how the processor's own instruction for bfloat16 (VDPBF16PS) adds them. That one takes numbers below 2^-126 for 0, which
    /// shows in no sum of larger ones.
    /// </param>
    /// <param name="add">Adds the sums to what the product is.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOne(int inner, float* x, byte* tile, float* product, bool oddFirst, bool add)
    {
        var (a, b) = (Vector512<float>.Zero, Vector512<float>.Zero);
        for (var k = 0; k < inner; k += 2, tile += T.PairBytes)
        {
            Prefetch(tile);
            var (even, odd) = (Vector512.Create(x[k]), Vector512.Create(x[k + 1]));
            var (w0, w1) = T.Load(tile, 0);
            var (v0, v1) = T.Load(tile, Half);
            if (oddFirst)
            {
                a = Vector512.FusedMultiplyAdd(w0, even, Vector512.FusedMultiplyAdd(w1, odd, a));
                b = Vector512.FusedMultiplyAdd(v0, even, Vector512.FusedMultiplyAdd(v1, odd, b));
            }
            else
            {
                a = Vector512.FusedMultiplyAdd(w1, odd, Vector512.FusedMultiplyAdd(w0, even, a));
                b = Vector512.FusedMultiplyAdd(v1, odd, Vector512.FusedMultiplyAdd(v0, even, b));
            }
        }
        if (add)
        {
            (a, b) = (a + Vector512.Load(product), b + Vector512.Load(product + Half));
        }
        a.Store(product);
        b.Store(product + Half);
    }

    /// <summary>The weights in float32, exactly.</summary>
    /// <param name="inner">Even.</param>
    /// <param name="target">[inner, 32]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(byte* tile, int inner, float* target)
    {
        for (var k = 0; k < inner; k += 2, tile += T.PairBytes, target += 2 * Outputs)
        {
            for (var output = 0; output < Outputs; output += Half)
            {
                var (even, odd) = T.Load(tile, output);
                even.Store(target + output);
                odd.Store(target + Outputs + output);
            }
        }
    }

    /// <summary>The weights in bfloat16, which must hold each of them.</summary>
    /// <param name="inner">Even.</param>
    /// <param name="target">[inner / 2, 32, 2]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(byte* tile, int inner, ushort* target)
    {
        for (var k = 0; k < inner; k += 2, tile += T.PairBytes, target += 2 * Outputs)
        {
            for (var output = 0; output < Outputs; output += Half)
            {
                var (even, odd) = T.Load(tile, output);
                (Vector512.ShiftRightLogical(even.AsUInt32(), 16) | odd.AsUInt32()).Store((uint*)target + output); // nothing to round: the lower halves are 0
            }
        }
    }

    // Beyond the tile lies the next one, and beyond the last it does no harm.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at)
    {
        for (var line = 0; Sse.IsSupported && line < T.PairBytes; line += 64)
        {
            Sse.Prefetch0(at + Ahead + line);
        }
    }
}
