using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Batch.Inference.Kernels;

/// <summary>
/// What <see cref="Brgemm"/> does not do, or not as fast: the product of one row with a tile, as fast as the tile comes from memory; of several rows in float32, with AVX-512;
/// and weights as the processor multiplies them.
/// Each sum is the same chain as there, bit for bit: one fused addition after the other along the inner dimension.
/// </summary>
internal static unsafe class TileKernel<T>
    where T : struct, ITile
{
    private const int Outputs = 32, Half = 16; // in a vector
    private const int RowsAtOnce = 8; // whose sums of 32 outputs fit the 32 registers of AVX-512, with what they are multiplied by
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

    /// <summary>Several rows, their sums in registers: a weight becomes what is multiplied there, and comes from memory while others are. Fast where there is AVX-512.</summary>
    /// <param name="x">[rows, inner]</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="product">[rows, 32]</param>
    /// <param name="add">Adds the sums to what the product is.</param>
    public static void Multiply(int rows, int inner, float* x, int stride, byte* tile, float* product, bool add)
    {
        for (var row = 0; row < rows; row += RowsAtOnce)
        {
            MultiplyEight(Math.Min(RowsAtOnce, rows - row), inner, x + (long)row * stride, stride, tile, product + row * Outputs, add);
        }
    }

    // What is missing of eight rows is computed from the last one again, and not stored.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyEight(int rows, int inner, float* x, int stride, byte* tile, float* product, bool add)
    {
        var last = rows - 1;
        float* x0 = x, x1 = x + Math.Min(1, last) * stride, x2 = x + Math.Min(2, last) * stride, x3 = x + Math.Min(3, last) * stride;
        float* x4 = x + Math.Min(4, last) * stride, x5 = x + Math.Min(5, last) * stride, x6 = x + Math.Min(6, last) * stride, x7 = x + last * stride;
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
        Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
        for (var k = 0; k < inner; k += 2, tile += T.PairBytes)
        {
            Prefetch(tile);
            var (w0, w1) = T.Load(tile, 0);
            var (v0, v1) = T.Load(tile, Half);
            Add(x0 + k, w0, v0, ref a0, ref b0);
            Add(x1 + k, w0, v0, ref a1, ref b1);
            Add(x2 + k, w0, v0, ref a2, ref b2);
            Add(x3 + k, w0, v0, ref a3, ref b3);
            Add(x4 + k, w0, v0, ref a4, ref b4);
            Add(x5 + k, w0, v0, ref a5, ref b5);
            Add(x6 + k, w0, v0, ref a6, ref b6);
            Add(x7 + k, w0, v0, ref a7, ref b7);
            Add(x0 + k + 1, w1, v1, ref a0, ref b0);
            Add(x1 + k + 1, w1, v1, ref a1, ref b1);
            Add(x2 + k + 1, w1, v1, ref a2, ref b2);
            Add(x3 + k + 1, w1, v1, ref a3, ref b3);
            Add(x4 + k + 1, w1, v1, ref a4, ref b4);
            Add(x5 + k + 1, w1, v1, ref a5, ref b5);
            Add(x6 + k + 1, w1, v1, ref a6, ref b6);
            Add(x7 + k + 1, w1, v1, ref a7, ref b7);
        }
        Store(0, a0, b0);
        Store(1, a1, b1);
        Store(2, a2, b2);
        Store(3, a3, b3);
        Store(4, a4, b4);
        Store(5, a5, b5);
        Store(6, a6, b6);
        Store(7, a7, b7);

        void Store(int row, Vector512<float> a, Vector512<float> b)
        {
            if (row < rows)
            {
                var target = product + row * Outputs;
                (add ? a + Vector512.Load(target) : a).Store(target);
                (add ? b + Vector512.Load(target + Half) : b).Store(target + Half);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* x, Vector512<float> w, Vector512<float> v, ref Vector512<float> a, ref Vector512<float> b)
    {
        var element = Vector512.Create(*x);
        a = Vector512.FusedMultiplyAdd(w, element, a);
        b = Vector512.FusedMultiplyAdd(v, element, b);
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
