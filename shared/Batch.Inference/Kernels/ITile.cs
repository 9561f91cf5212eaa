using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Batch.Inference.Kernels;

/// <summary>How a packed tile lies in memory: the weights of 32 outputs beside each other for each element of the inner dimension, of which two are read at a time.</summary>
internal unsafe interface ITile
{
    /// <summary>Of two elements of the inner dimension.</summary>
    static abstract int PairBytes { get; }

    /// <summary>Two elements of the inner dimension for 16 outputs, in float32.</summary>
    static abstract (Vector512<float> Even, Vector512<float> Odd) Load(byte* pair, int output);
}

/// <summary>[inner, 32]</summary>
internal readonly unsafe struct Float32Tile : ITile
{
    public static int PairBytes => 2 * 32 * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Even, Vector512<float> Odd) Load(byte* pair, int output) => (Vector512.Load((float*)pair + output), Vector512.Load((float*)pair + 32 + output));
}

/// <summary>[inner / 2, 32, 2], the order that the processor's own instruction wants.</summary>
internal readonly unsafe struct BFloat16Tile : ITile
{
    public static int PairBytes => 2 * 32 * sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Even, Vector512<float> Odd) Load(byte* pair, int output) => BFloat16Lanes.LoadPair(pair, 2 * output);
}

/// <summary>[inner, 32] of 8 bits, whose scale is the output's.</summary>
internal readonly unsafe struct Int8Tile : ITile
{
    public static int PairBytes => 2 * 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Even, Vector512<float> Odd) Load(byte* pair, int output) => (Widen((sbyte*)pair + output), Widen((sbyte*)pair + 32 + output));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Widen(sbyte* from)
    {
        var bytes = Vector128.Load(from);
        if (Avx512F.IsSupported)
        {
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(bytes));
        }
        var (low, high) = Vector128.Widen(bytes);
        var ((a, b), (c, d)) = (Vector128.Widen(low), Vector128.Widen(high));
        return Vector512.ConvertToSingle(Vector512.Create(Vector256.Create(a, b), Vector256.Create(c, d)));
    }
}
