using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>What the kernels that work row by row have in common.</summary>
internal static class RowKernels
{
    // About 10 microseconds of work: below that another thread costs more than it brings.
    private const long ElementsWorthThreads = 1 << 15;

    /// <summary>Whether the own kernels compute on it; elsewhere the framework's operators do.</summary>
    public static bool Serve(Tensor x) => x.device_type == DeviceType.CPU && x.dtype is ScalarType.Float32 or ScalarType.BFloat16;

    /// <summary>Calls <paramref name="rows"/> for ranges of rows, on several threads where there is enough to do.</summary>
    public static void For(int count, long elementsPerRow, Action<int, int> rows)
    {
        if (count * elementsPerRow < ElementsWorthThreads)
        {
            rows(0, count);
            return;
        }
        var chunk = (int)Math.Max(1, ElementsWorthThreads / 4 / elementsPerRow);
        Workers.For((count + chunk - 1) / chunk, i => rows(i * chunk, Math.Min(count, (i + 1) * chunk)));
    }

    /// <summary>Elements in float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe void Widen<T>(byte* source, float* target, int count)
        where T : struct, ILanes
    {
        var i = 0;
        for (; i <= count - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            T.Load(source, i).Store(target + i);
        }
        for (; i < count; i++)
        {
            target[i] = T.LoadOne(source, i);
        }
    }
}
