using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>The memory of a tensor on the CPU.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>The first byte; valid while the tensor lives. The tensor is contiguous.</summary>
    public static byte* Pointer(this Tensor tensor)
    {
        // A span reaches 2 GiB at most, the tensor may be larger.
        if (tensor.numel() < 1 << 28)
        {
            return (byte*)Unsafe.AsPointer(ref tensor.bytes[0]);
        }
        using var flat = tensor.view(-1);
        using var first = flat.narrow(0, 0, 1);
        return (byte*)Unsafe.AsPointer(ref first.bytes[0]);
    }
}
