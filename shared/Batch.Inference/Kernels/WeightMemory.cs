using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>
/// Memory that a step reads from end to end, in a few large chunks, in pages of 2 MiB where the system has them: with pages of 4 KiB the processor waits for
/// their addresses more than for the data (18 against 30 GB/s on one core of a virtual machine). Frees all at once; one thread takes.
/// </summary>
internal sealed unsafe partial class WeightMemory : IDisposable
{
    private const nuint Page = 2 << 20, Chunk = 32 * Page, Line = 64;
    private const int AdviseHugePages = 14; // MADV_HUGEPAGE

    private readonly List<nint> _chunks = [];
    private byte* _free;
    private nuint _left;

    /// <summary>Bytes that nobody has written yet, at the start of a cache line. What is not written takes no memory.</summary>
    public byte* Take(long bytes)
    {
        var size = ((nuint)bytes + Line - 1) / Line * Line;
        if (size > Chunk / 2)
        {
            return Allocate(size);
        }
        if (size > _left)
        {
            _free = Allocate(Chunk);
            _left = Chunk;
        }
        var taken = _free;
        _free += size;
        _left -= size;
        return taken;
    }

    ~WeightMemory() => Free(); // of a model that failed to load

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>A tensor that nobody has written yet, on the CPU in pages of 2 MiB.</summary>
    public static Tensor Empty(long[] shape, ScalarType dtype, Device device)
    {
        var tensor = empty(shape, dtype, device);
        if (device.type == DeviceType.CPU)
        {
            Advise(tensor.Pointer(), tensor.numel() * dtype.ElementSize());
        }
        return tensor;
    }

    // Memory that nobody has written yet.
    private static void Advise(byte* start, long bytes)
    {
        var first = ((nuint)start + Page - 1) / Page * Page;
        var end = ((nuint)start + (nuint)bytes) / Page * Page;
        if (OperatingSystem.IsLinux() && end > first)
        {
            _ = madvise((void*)first, end - first, AdviseHugePages); // refused, they stay as small as they are
        }
    }

    private void Free()
    {
        _chunks.ForEach(chunk => NativeMemory.AlignedFree((void*)chunk));
        _chunks.Clear();
        _free = null;
        _left = 0;
    }

    private byte* Allocate(nuint size)
    {
        size = (size + Page - 1) / Page * Page;
        var chunk = (byte*)NativeMemory.AlignedAlloc(size, Page);
        _chunks.Add((nint)chunk);
        Advise(chunk, (long)size);
        return chunk;
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int madvise(void* address, nuint length, int advice);
}
