using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Batch.Inference.Kernels;

/// <summary>How 16 elements of a dtype lie in memory. Kernels compute in float32, on 16 lanes on every processor, so that their order of summation is one.</summary>
internal unsafe interface ILanes
{
    static abstract int Size { get; }

    static abstract Vector512<float> Load(byte* from, long element);

    static abstract void Store(Vector512<float> x, byte* to, long element);

    /// <summary>32 elements, in two halves of an order of the dtype's own.</summary>
    static abstract (Vector512<float> First, Vector512<float> Second) LoadPair(byte* from, long element);

    /// <summary>As <see cref="LoadPair"/> gave them.</summary>
    static abstract void StorePair(Vector512<float> first, Vector512<float> second, byte* to, long element);

    static abstract float LoadOne(byte* from, long element);

    static abstract void StoreOne(float x, byte* to, long element);
}

internal readonly unsafe struct Float32Lanes : ILanes
{
    public static int Size => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* from, long element) => Vector512.Load((float*)from + element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> x, byte* to, long element) => x.Store((float*)to + element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) LoadPair(byte* from, long element) => (Load(from, element), Load(from, element + 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePair(Vector512<float> first, Vector512<float> second, byte* to, long element)
    {
        Store(first, to, element);
        Store(second, to, element + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadOne(byte* from, long element) => ((float*)from)[element];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreOne(float x, byte* to, long element) => ((float*)to)[element] = x;
}

/// <summary>bfloat16 is the upper half of float32; stores round to the nearest, ties to even, and keep what is not a number.</summary>
internal readonly unsafe struct BFloat16Lanes : ILanes
{
    private const ushort NaN = 0x7fc0;
    private const uint Upper = 0xffff0000;

    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* from, long element)
    {
        if (Avx512F.IsSupported)
        {
            return Vector512.ShiftLeft(Avx512F.ConvertToVector512UInt32(Vector256.Load((ushort*)from + element)), 16).AsSingle();
        }
        var (low, high) = Vector256.Widen(Vector256.Load((ushort*)from + element));
        return Vector512.ShiftLeft(Vector512.Create(low, high), 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> x, byte* to, long element)
    {
        var rounded = Vector512.ShiftRightLogical(Round(x), 16);
        if (Avx512F.IsSupported)
        {
            Avx512F.ConvertToVector256UInt16(rounded).Store((ushort*)to + element);
            return;
        }
        Vector256.Narrow(rounded.GetLower(), rounded.GetUpper()).Store((ushort*)to + element);
    }

    /// <summary>The elements of even and of odd places: a shift or a mask each, where widening in order takes two steps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) LoadPair(byte* from, long element)
    {
        var both = Vector512.Load((uint*)((ushort*)from + element));
        return (Vector512.ShiftLeft(both, 16).AsSingle(), (both & Vector512.Create(Upper)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePair(Vector512<float> first, Vector512<float> second, byte* to, long element) =>
        (Vector512.ShiftRightLogical(Round(first), 16) | (Round(second) & Vector512.Create(Upper))).Store((uint*)((ushort*)to + element));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadOne(byte* from, long element) => BitConverter.UInt32BitsToSingle((uint)((ushort*)from)[element] << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreOne(float x, byte* to, long element)
    {
        var bits = BitConverter.SingleToUInt32Bits(x);
        ((ushort*)to)[element] = float.IsNaN(x) ? NaN : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    // The upper half of each is the rounded element.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Round(Vector512<float> x)
    {
        var bits = x.AsUInt32();
        var odd = Vector512.ShiftRightLogical(bits, 16) & Vector512.Create(1u);
        return Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), bits + odd + Vector512.Create(0x7fffu), Vector512.Create((uint)NaN << 16));
    }
}
