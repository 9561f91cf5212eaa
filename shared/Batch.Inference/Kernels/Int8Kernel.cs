using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Batch.Inference.Kernels;

/// <summary>What a product over weights of 8 bits does before and after the multiplication.</summary>
internal static unsafe class Int8Kernel
{
    private const int Lanes = 16;

    /// <summary>Bytes as elements of the lanes' dtype, which holds every one of them exactly.</summary>
    /// <param name="count">A multiple of 16.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen<T>(sbyte* bytes, byte* elements, int count)
        where T : struct, ILanes
    {
        for (var i = 0; i < count; i += Lanes)
        {
            var wide = Vector512.ConvertToSingle(Widen(Vector128.Load(bytes + i)));
            if (typeof(T) != typeof(BFloat16Lanes))
            {
                T.Store(wide, elements, i);
                continue;
            }
            var upper = Vector512.ShiftRightLogical(wide.AsUInt32(), 16); // nothing to round: the rest is 0
            if (Avx512F.IsSupported)
            {
                Avx512F.ConvertToVector256UInt16(upper).Store((ushort*)elements + i);
            }
            else
            {
                Vector256.Narrow(upper.GetLower(), upper.GetUpper()).Store((ushort*)elements + i);
            }
        }
    }

    /// <summary>32 sums times the outputs' scales, plus their bias.</summary>
    public static void Scale<T>(float* sums, float* scale, float* offset, byte* target, int columns)
        where T : struct, ILanes
    {
        for (var at = 0; at < 2 * Lanes; at += Lanes)
        {
            var y = Vector512.FusedMultiplyAdd(Vector512.Load(sums + at), Vector512.Load(scale + at), Vector512.Load(offset + at));
            if (at + Lanes <= columns)
            {
                T.Store(y, target, at);
                continue;
            }
            for (var lane = 0; lane < Lanes && at + lane < columns; lane++)
            {
                T.StoreOne(y[lane], target, at + lane);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Widen(Vector128<sbyte> bytes)
    {
        if (Avx512F.IsSupported)
        {
            return Avx512F.ConvertToVector512Int32(bytes);
        }
        var (low, high) = Vector128.Widen(bytes);
        var ((a, b), (c, d)) = (Vector128.Widen(low), Vector128.Widen(high));
        return Vector512.Create(Vector256.Create(a, b), Vector256.Create(c, d));
    }
}
