using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>Rows of logits, out of their tensor.</summary>
internal static unsafe class LogitKernel
{
    private const int Piece = 4096;

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
                    RowKernels.Widen<BFloat16Lanes>((byte*)source + first * sizeof(ushort), (float*)to + first, length);
                }
                else
                {
                    RowKernels.Widen<Float32Lanes>((byte*)source + first * sizeof(float), (float*)to + first, length);
                }
            });
        }
    }
}
