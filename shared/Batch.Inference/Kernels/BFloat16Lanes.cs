using System.Runtime.Intrinsics;

namespace Batch.Inference.Kernels;

/// <summary>Between float32 and bfloat16, its upper half: 16 lanes at a time.</summary>
internal static unsafe class BFloat16Lanes
{
    public static Vector512<float> Load(ushort* from)
    {
        var (low, high) = Vector256.Widen(Vector256.Load(from));
        return Vector512.ShiftLeft(Vector512.Create(low, high), 16).AsSingle();
    }

    /// <summary>Rounds to the nearest, ties to even, as the framework does; what is not a number stays so.</summary>
    public static Vector256<ushort> Round(Vector512<float> x)
    {
        var bits = x.AsUInt32();
        var odd = Vector512.ShiftRightLogical(bits, 16) & Vector512.Create(1u);
        var rounded = Vector512.ShiftRightLogical(bits + odd + Vector512.Create(0x7fffu), 16);
        var number = Vector512.Equals(x, x).AsUInt32();
        rounded = Vector512.ConditionalSelect(number, rounded, Vector512.Create(0x7fc0u));
        return Vector256.Narrow(rounded.GetLower(), rounded.GetUpper());
    }

    public static ushort Round(float x)
    {
        var bits = BitConverter.SingleToUInt32Bits(x);
        return float.IsNaN(x) ? (ushort)0x7fc0 : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
