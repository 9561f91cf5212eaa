using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>The memory of a tensor on the CPU.</summary>
internal static unsafe partial class TensorMemory
{
    /// <summary>The first element; valid while the tensor lives.</summary>
    public static byte* Pointer(this Tensor tensor) => (byte*)THSTensor_data(tensor.Handle);

    /// <summary>A copy with all elements in order, or null where they are already: one more tensor is one more finaliser, in hundreds of places a step.</summary>
    public static Tensor? CopyUnlessDense(this Tensor tensor) => tensor.is_contiguous() ? null : tensor.contiguous();

    // What TorchSharp's own accessors call; theirs hand out spans, which reach 2 GiB at most and want contiguous tensors.
    [LibraryImport("LibTorchSharp")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories | DllImportSearchPath.AssemblyDirectory)]
    private static partial void* THSTensor_data(nint handle);
}
