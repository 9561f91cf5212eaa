using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>
/// C = A B on the calling thread, for blocks that fit the processor's caches: oneDNN's brgemm, which libtorch generates for the processor it runs on, uses in its
/// own attention and exports (at::native::cpublas::brgemm). Each element of C is one chain of additions along the inner dimension, whatever the number of
/// rows: a row's result does not depend on the rows beside it (the tests hold it to that). Generated once for each size and thread, in about 0.15 ms.
/// </summary>
internal static unsafe class Brgemm
{
    private const int AvxVnniLeaf = 7, BFloat16Bit = 1 << 5;
    private static readonly delegate* unmanaged<long, long, long, long, long, long, byte, void*, void*, float*, byte, void> Float32 = Export("_ZN2at6native7cpublas6brgemmEllllllbPKfS3_Pfb");
    private static readonly delegate* unmanaged<long, long, long, long, long, long, byte, void*, void*, float*, byte, void> BFloat16 = Export("_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb");

    // Asked for a processor feature that is not there, brgemm throws a C++ exception, which would end the process: so this must know beforehand.
    private static readonly bool IsaIsRestricted = new[] { "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA" }.Any(name => Environment.GetEnvironmentVariable(name) is { Length: > 0 });
    private static readonly bool HasBFloat16 = Avx512BW.IsSupported && (X86Base.CpuId(AvxVnniLeaf, 1).Eax & BFloat16Bit) != 0;

    /// <summary>Whether this processor and this build of libtorch have the kernel: float32 from AVX2, bfloat16 where the processor multiplies it.</summary>
    public static bool Serves(ScalarType dtype) => !IsaIsRestricted && dtype switch
    {
        ScalarType.Float32 => Float32 != null && Avx2.IsSupported,
        ScalarType.BFloat16 => BFloat16 != null && HasBFloat16,
        _ => false,
    };

    /// <param name="a">[rows, inner], rows one after the other.</param>
    /// <param name="b">[inner, columns]; in bfloat16 two rows interleaved, [inner / 2, columns, 2].</param>
    /// <param name="c">[rows, columns]</param>
    /// <param name="stride">Elements from one row of A to the next; the inner dimension where it is 0.</param>
    /// <param name="add">Adds to C what the product is.</param>
    public static void Multiply(ScalarType dtype, int rows, int columns, int inner, void* a, void* b, float* c, int stride = 0, bool add = false)
    {
        stride = stride == 0 ? inner : stride;
        if (dtype == ScalarType.BFloat16)
        {
            BFloat16(rows, columns, inner, stride, columns, columns, add ? (byte)1 : (byte)0, a, b, c, 1);
        }
        else
        {
            Float32(rows, columns, inner, stride, columns, columns, add ? (byte)1 : (byte)0, a, b, c, 0);
        }
    }

    private static delegate* unmanaged<long, long, long, long, long, long, byte, void*, void*, float*, byte, void> Export(string name) =>
        NativeLibrary.TryLoad("torch_cpu", typeof(Brgemm).Assembly, null, out var library) && NativeLibrary.TryGetExport(library, name, out var address)
            ? (delegate* unmanaged<long, long, long, long, long, long, byte, void*, void*, float*, byte, void>)address
            : null;
}
