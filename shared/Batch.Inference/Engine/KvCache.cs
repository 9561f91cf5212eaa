using Batch.Inference.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>Keys and values of every token in flight, allocated once. Slot s belongs to block s / block size; <see cref="BlockPool"/> says whose block it is.</summary>
internal sealed class KvCache : IDisposable
{
    private readonly long _slotStride;

    public KvCache(CausalLM model, int slots, ScalarType dtype, Device device)
    {
        ScratchSlot = slots;
        (HeadStride, _slotStride) = (model.HeadDim, (long)model.KeyValueHeads * model.HeadDim);
        Tensor Allocate() => zeros([slots + 1, model.KeyValueHeads, model.HeadDim], dtype, device).DetachFromDisposeScope();
        Keys = Enumerable.Range(0, model.Layers).Select(_ => Allocate()).ToArray();
        Values = Enumerable.Range(0, model.Layers).Select(_ => Allocate()).ToArray();
    }

    /// <summary>Of keys and values over all layers.</summary>
    public static long BytesPerToken(CausalLM model, ScalarType dtype) => 2L * model.Layers * model.KeyValueHeads * model.HeadDim * dtype.ElementSize();

    /// <summary>Takes the keys and values of rows that belong to no sequence.</summary>
    public long ScratchSlot { get; }

    /// <summary>Elements from a token's head to its next.</summary>
    public long HeadStride { get; }

    /// <summary>Where a slot's first head lies, in elements.</summary>
    public long Offset(long slot) => slot * _slotStride;

    /// <summary>A layer's keys, [slots, kv_heads, head_dim].</summary>
    public IReadOnlyList<Tensor> Keys { get; }

    /// <summary>A layer's values, [slots, kv_heads, head_dim].</summary>
    public IReadOnlyList<Tensor> Values { get; }

    public void Dispose()
    {
        foreach (var tensor in Keys.Concat(Values))
        {
            tensor.Dispose();
        }
    }
}
