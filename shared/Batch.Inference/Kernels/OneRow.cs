using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>
/// The product of one row with a packed tile of 32 outputs, as fast as the tile comes from memory: <see cref="Brgemm"/> is made for many. Each sum is the same
/// chain as there, bit for bit: in float32 one fused addition after the other along the inner dimension; in bfloat16 in pairs, the second of a pair first,
/// which is how the processor's own instruction (VDPBF16PS) adds them. That one takes numbers below 2^-126 for 0, which shows in no sum of larger ones.
/// </summary>
internal static unsafe class OneRow
{
    private const int Half = 16; // outputs in a vector
    private const int Ahead = 4096; // bytes: what a core reads while one line comes from memory

    /// <param name="x">[inner] in float32.</param>
    /// <param name="tile">[inner, 32]; in bfloat16 [inner / 2, 32, 2].</param>
    /// <param name="product">[32]</param>
    public static void Multiply(ScalarType dtype, int inner, float* x, byte* tile, float* product)
    {
        if (dtype == ScalarType.BFloat16)
        {
            MultiplyPairs(inner, x, tile, product);
        }
        else
        {
            Multiply(inner, x, (float*)tile, product);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyPairs(int inner, float* x, byte* tile, float* product)
    {
        var (a, b) = (Vector512<float>.Zero, Vector512<float>.Zero);
        for (var k = 0; k < inner; k += 2, tile += 4 * Half * sizeof(ushort))
        {
            Prefetch(tile);
            var (low, high) = (Vector512.Create(x[k]), Vector512.Create(x[k + 1]));
            var (left, right) = (Vector512.Load((uint*)tile), Vector512.Load((uint*)tile + Half));
            a = Vector512.FusedMultiplyAdd(First(left), low, Vector512.FusedMultiplyAdd(Second(left), high, a));
            b = Vector512.FusedMultiplyAdd(First(right), low, Vector512.FusedMultiplyAdd(Second(right), high, b));
        }
        a.Store(product);
        b.Store(product + Half);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(int inner, float* x, float* tile, float* product)
    {
        var (a, b) = (Vector512<float>.Zero, Vector512<float>.Zero);
        for (var k = 0; k < inner; k++, tile += 2 * Half)
        {
            Prefetch((byte*)tile);
            var factor = Vector512.Create(x[k]);
            a = Vector512.FusedMultiplyAdd(Vector512.Load(tile), factor, a);
            b = Vector512.FusedMultiplyAdd(Vector512.Load(tile + Half), factor, b);
        }
        a.Store(product);
        b.Store(product + Half);
    }

    // The bfloat16s of each pair, in float32.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> First(Vector512<uint> pairs) => Vector512.ShiftLeft(pairs, 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Second(Vector512<uint> pairs) => (pairs & Vector512.Create(0xffff0000u)).AsSingle();

    // Two lines; beyond the tile lies the next one, and beyond the last it does no harm.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(at + Ahead);
            Sse.Prefetch0(at + Ahead + 64);
        }
    }
}
