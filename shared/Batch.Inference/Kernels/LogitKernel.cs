using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>Rows of logits, out of their tensor.</summary>
internal static unsafe class LogitKernel
{
    private const int Lanes = 16, Piece = 4096;

    /// <param name="logits">On the host, contiguous.</param>
    /// <param name="target">Room for all of them.</param>
    public static void Widen(Tensor logits, Span<float> target)
    {
        var count = logits.numel();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, target.Length);
        using var converted = RowKernels.Serve(logits) ? null : logits.to(ScalarType.Float32); // of a GPU's float16
        var (source, dtype) = ((nint)(converted ?? logits).Pointer(), (converted ?? logits).dtype);
        fixed (float* start = target)
        {
            var to = (nint)start;
            RowKernels.For((int)((count + Piece - 1) / Piece), Piece, (from, end) =>
            {
                var (first, length) = ((long)from * Piece, (int)(Math.Min(count, (long)end * Piece) - (long)from * Piece));
                if (dtype == ScalarType.BFloat16)
                {
                    Widen((byte*)source + first * sizeof(ushort), (float*)to + first, length);
                }
                else
                {
                    new Span<float>((float*)source + first, length).CopyTo(new Span<float>((float*)to + first, length));
                }
            });
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen(byte* source, float* target, int count)
    {
        var i = 0;
        for (; i <= count - Lanes; i += Lanes)
        {
            BFloat16Lanes.Load(source, i).Store(target + i);
        }
        for (; i < count; i++)
        {
            target[i] = BFloat16Lanes.LoadOne(source, i);
        }
    }
}
