using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>The rows of a tensor on the CPU, each contiguous by itself; copies only what is not.</summary>
internal sealed unsafe class RowView : IDisposable
{
    private readonly Tensor? _copy;

    /// <param name="tensor">[rows, …]</param>
    public RowView(Tensor tensor)
    {
        var (shape, strides) = (tensor.shape, tensor.stride());
        long expected = 1;
        for (var d = shape.Length - 1; d > 0; d--)
        {
            if (shape[d] != 1 && strides[d] != expected)
            {
                tensor = _copy = tensor.contiguous();
                strides = tensor.stride();
                break;
            }
            expected *= shape[d];
        }
        Start = tensor.Pointer();
        RowBytes = strides[0] * tensor.ElementSize;
    }

    public byte* Start { get; }

    public long RowBytes { get; }

    public void Dispose() => _copy?.Dispose();
}
