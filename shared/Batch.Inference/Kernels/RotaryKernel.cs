using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>Turns the first dimensions of each head, i together with i + half of them, and copies the others.</summary>
internal static unsafe class RotaryKernel
{
    private const int Lanes = 16;

    /// <param name="x">[tokens, heads, head_dim]</param>
    /// <param name="cos">[tokens, 1, rotary]</param>
    /// <param name="sin">[tokens, 1, rotary]</param>
    public static Tensor Apply(Tensor x, Tensor cos, Tensor sin) => x.dtype == ScalarType.BFloat16 ? Apply<BFloat16Lanes>(x, cos, sin) : Apply<Float32Lanes>(x, cos, sin);

    private static Tensor Apply<T>(Tensor x, Tensor cos, Tensor sin)
        where T : struct, ILanes
    {
        using var lap = StepClock.In(StepPhase.Kernels);
        var (tokens, heads, dim, rotary) = ((int)x.shape[0], (int)x.shape[1], (int)x.shape[2], (int)cos.shape[^1]);
        using var rows = new RowView(x);
        var y = empty(x.shape, x.dtype);
        byte* source = rows.Start, target = y.Pointer(), cosines = cos.Pointer(), sines = sin.Pointer();
        var stride = rows.RowBytes;
        RowKernels.For(tokens, (long)heads * dim, (from, to) =>
        {
            for (var token = from; token < to; token++)
            {
                var angle = (long)token * rotary * T.Size;
                for (var head = 0; head < heads; head++)
                {
                    var (input, output) = (token * stride + (long)head * dim * T.Size, ((long)token * heads + head) * dim * T.Size);
                    Turn<T>(source + input, cosines + angle, sines + angle, target + output, rotary);
                    var rest = (dim - rotary) * T.Size;
                    Buffer.MemoryCopy(source + input + (long)rotary * T.Size, target + output + (long)rotary * T.Size, rest, rest);
                }
            }
        });
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn<T>(byte* x, byte* cos, byte* sin, byte* y, int rotary)
        where T : struct, ILanes
    {
        var (half, i) = (rotary / 2, 0);
        for (; i <= half - Lanes; i += Lanes)
        {
            var (first, second) = (T.Load(x, i), T.Load(x, i + half));
            T.Store(first * T.Load(cos, i) - second * T.Load(sin, i), y, i);
            T.Store(second * T.Load(cos, i + half) + first * T.Load(sin, i + half), y, i + half);
        }
        for (; i < half; i++)
        {
            var (first, second) = (T.LoadOne(x, i), T.LoadOne(x, i + half));
            T.StoreOne(first * T.LoadOne(cos, i) - second * T.LoadOne(sin, i), y, i);
            T.StoreOne(second * T.LoadOne(cos, i + half) + first * T.LoadOne(sin, i + half), y, i + half);
        }
    }
}
