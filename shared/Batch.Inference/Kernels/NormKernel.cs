using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>Normalisation of rows: one call instead of six, sums in float32 in one order for every row.</summary>
internal static unsafe class NormKernel
{
    private const int Lanes = 16;

    /// <summary>x / rms(x) * weight, rounded to the dtype before the weight as the reference does; or, <paramref name="onePlus"/>, times 1 + weight before rounding (Gemma).</summary>
    public static Tensor Rms(Tensor x, Tensor weight, float epsilon, bool onePlus = false) => x.dtype == ScalarType.BFloat16
        ? Rms<BFloat16Lanes>(x, weight, epsilon, onePlus)
        : Rms<Float32Lanes>(x, weight, epsilon, onePlus);

    /// <summary>(x - mean) / sqrt(variance + epsilon) * weight + bias (Ba et al. 2016).</summary>
    public static Tensor Layer(Tensor x, Tensor weight, Tensor bias, float epsilon) => x.dtype == ScalarType.BFloat16
        ? Layer<BFloat16Lanes>(x, weight, bias, epsilon)
        : Layer<Float32Lanes>(x, weight, bias, epsilon);

    private static Tensor Rms<T>(Tensor x, Tensor weight, float epsilon, bool onePlus)
        where T : struct, ILanes
    {
        using var lap = StepClock.In(StepPhase.Kernels);
        var dim = (int)x.shape[^1];
        using var copy = x.CopyUnlessDense();
        var y = empty(x.shape, x.dtype);
        byte* source = (copy ?? x).Pointer(), target = y.Pointer(), scale = weight.Pointer();
        RowKernels.For((int)(x.numel() / dim), dim, (from, to) =>
        {
            for (var row = from; row < to; row++)
            {
                Rms<T>(source + (long)row * dim * T.Size, scale, target + (long)row * dim * T.Size, dim, epsilon, onePlus);
            }
        });
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rms<T>(byte* x, byte* weight, byte* y, int dim, float epsilon, bool onePlus)
        where T : struct, ILanes
    {
        var squares = Vector512<float>.Zero;
        var d = 0;
        for (; d <= dim - Lanes; d += Lanes)
        {
            var value = T.Load(x, d);
            squares = Vector512.FusedMultiplyAdd(value, value, squares);
        }
        var sum = Vector512.Sum(squares);
        for (; d < dim; d++)
        {
            sum += T.LoadOne(x, d) * T.LoadOne(x, d);
        }
        var inverse = 1f / MathF.Sqrt(sum / dim + epsilon);
        for (d = 0; d <= dim - Lanes; d += Lanes)
        {
            if (onePlus)
            {
                T.Store(T.Load(x, d) * inverse * (T.Load(weight, d) + Vector512<float>.One), y, d);
            }
            else
            {
                T.Store(T.Load(x, d) * inverse, y, d);
                T.Store(T.Load(y, d) * T.Load(weight, d), y, d);
            }
        }
        for (; d < dim; d++)
        {
            T.StoreOne(T.LoadOne(x, d) * inverse * (onePlus ? T.LoadOne(weight, d) + 1f : 1f), y, d);
            if (!onePlus)
            {
                T.StoreOne(T.LoadOne(y, d) * T.LoadOne(weight, d), y, d);
            }
        }
    }

    private static Tensor Layer<T>(Tensor x, Tensor weight, Tensor bias, float epsilon)
        where T : struct, ILanes
    {
        using var lap = StepClock.In(StepPhase.Kernels);
        var dim = (int)x.shape[^1];
        using var copy = x.CopyUnlessDense();
        var y = empty(x.shape, x.dtype);
        byte* source = (copy ?? x).Pointer(), target = y.Pointer(), scale = weight.Pointer(), shift = bias.Pointer();
        RowKernels.For((int)(x.numel() / dim), dim, (from, to) =>
        {
            for (var row = from; row < to; row++)
            {
                Layer<T>(source + (long)row * dim * T.Size, scale, shift, target + (long)row * dim * T.Size, dim, epsilon);
            }
        });
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Layer<T>(byte* x, byte* weight, byte* bias, byte* y, int dim, float epsilon)
        where T : struct, ILanes
    {
        var mean = SumOf<T>(x, dim, 0f, squared: false) / dim;
        var inverse = 1f / MathF.Sqrt(SumOf<T>(x, dim, mean, squared: true) / dim + epsilon);
        var d = 0;
        for (; d <= dim - Lanes; d += Lanes)
        {
            T.Store(Vector512.FusedMultiplyAdd((T.Load(x, d) - Vector512.Create(mean)) * inverse, T.Load(weight, d), T.Load(bias, d)), y, d);
        }
        for (; d < dim; d++)
        {
            T.StoreOne((T.LoadOne(x, d) - mean) * inverse * T.LoadOne(weight, d) + T.LoadOne(bias, d), y, d);
        }
    }

    // The sum of x - mean, or of its squares.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float SumOf<T>(byte* x, int dim, float mean, bool squared)
        where T : struct, ILanes
    {
        var lanes = Vector512<float>.Zero;
        var d = 0;
        for (; d <= dim - Lanes; d += Lanes)
        {
            var value = T.Load(x, d) - Vector512.Create(mean);
            lanes = squared ? Vector512.FusedMultiplyAdd(value, value, lanes) : lanes + value;
        }
        var sum = Vector512.Sum(lanes);
        for (; d < dim; d++)
        {
            var value = T.LoadOne(x, d) - mean;
            sum += squared ? value * value : value;
        }
        return sum;
    }
}
