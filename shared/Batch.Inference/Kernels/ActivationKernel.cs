using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>Activations of a feed-forward layer, fused with the product that follows; computed in float32, rounded once.</summary>
internal static unsafe class ActivationKernel
{
    private const int Lanes = 16;

    /// <summary>x sigmoid(x), times <paramref name="factor"/> where there is one.</summary>
    public static Tensor Silu(Tensor x, Tensor? factor) => Map(x, factor, tanhGelu: false);

    /// <summary>GELU in its tanh form, times <paramref name="factor"/> where there is one.</summary>
    public static Tensor Gelu(Tensor x, Tensor? factor) => Map(x, factor, tanhGelu: true);

    private static Tensor Map(Tensor x, Tensor? factor, bool tanhGelu) => x.dtype == ScalarType.BFloat16
        ? Map<BFloat16Lanes>(x, factor, tanhGelu)
        : Map<Float32Lanes>(x, factor, tanhGelu);

    /// <param name="x">[rows, inner], a row's elements side by side.</param>
    private static Tensor Map<T>(Tensor x, Tensor? factor, bool tanhGelu)
        where T : struct, ILanes
    {
        using var lap = StepClock.In(StepPhase.Kernels);
        var inner = (int)x.shape[^1];
        using var inputs = new RowView(x);
        using var factors = factor is null ? null : new RowView(factor);
        var y = empty(x.shape, x.dtype);
        var target = y.Pointer();
        byte* start = inputs.Start, factorStart = factors is null ? null : factors.Start;
        var (stride, factorStride) = (inputs.RowBytes, factors?.RowBytes ?? 0);
        RowKernels.For((int)x.shape[0], 8L * inner, (from, to) => // an exponential costs about as much as 8 elements of a norm
        {
            for (var row = from; row < to; row++)
            {
                Map<T>(start + row * stride, factorStart is null ? null : factorStart + row * factorStride, target + (long)row * inner * T.Size, inner, tanhGelu);
            }
        });
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Map<T>(byte* x, byte* factor, byte* y, int count, bool tanhGelu)
        where T : struct, ILanes
    {
        var i = 0;
        for (; i <= count - Lanes; i += Lanes)
        {
            var value = Map(T.Load(x, i), tanhGelu);
            T.Store(factor is null ? value : value * T.Load(factor, i), y, i);
        }
        for (; i < count; i++)
        {
            var value = Map(Vector512.Create(T.LoadOne(x, i)), tanhGelu).ToScalar();
            T.StoreOne(factor is null ? value : value * T.LoadOne(factor, i), y, i);
        }
    }

    // Both are x sigmoid(u): 0.5 (1 + tanh(v)) = sigmoid(2 v).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Map(Vector512<float> x, bool tanhGelu)
    {
        const float TwoRootTwoOverPi = 1.5957691216057308f;
        var u = tanhGelu ? TwoRootTwoOverPi * Vector512.FusedMultiplyAdd(x * x * x, Vector512.Create(0.044715f), x) : x;
        return x / (Vector512<float>.One + Exponential.Of(-u));
    }
}
