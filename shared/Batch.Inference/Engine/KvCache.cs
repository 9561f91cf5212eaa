using Batch.Inference.Kernels;
using Batch.Inference.Models;
using Batch.Inference.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>
/// Keys and values of every token in flight, allocated once. Slot s belongs to block s / block size; <see cref="BlockPool"/> says whose block it is. The
/// framework's operators want a slot's heads side by side; the own kernels read a head's tokens of a block straight through.
/// </summary>
internal sealed class KvCache : IDisposable
{
    private readonly int _run; // tokens whose heads lie side by side
    private readonly long _slotSize;

    /// <param name="run">1 keeps each slot together; the block size keeps each head's tokens of a block together, for <see cref="Layers.RowAttention"/> alone.</param>
    public KvCache(CausalLM model, int slots, ScalarType dtype, Device device, int run = 1)
        : this(model, slots, dtype, LayerPlacement.On(device), run)
    {
    }

    /// <param name="placement">A layer's keys and values lie where the layer does.</param>
    public KvCache(CausalLM model, int slots, ScalarType dtype, LayerPlacement placement, int run = 1)
    {
        (Placement, ScratchSlot, _run, _slotSize) = (placement, slots, run, (long)model.KeyValueHeads * model.HeadDim);
        HeadStride = (long)run * model.HeadDim;
        // Left as it is: no token is read before it is written, and memory that nobody touched costs none.
        Tensor Allocate(int layer) =>
            WeightMemory.Empty([(slots / run + 1) * run, model.KeyValueHeads, model.HeadDim], dtype, placement.Of(layer)).DetachFromDisposeScope();
        Keys = Enumerable.Range(0, model.Layers).Select(Allocate).ToArray();
        Values = Enumerable.Range(0, model.Layers).Select(Allocate).ToArray();
    }

    /// <summary>Of keys and values over all layers.</summary>
    public static long BytesPerToken(CausalLM model, ScalarType dtype) => 2L * model.Layers * model.KeyValueHeads * model.HeadDim * dtype.ElementSize();

    /// <summary>Which device holds which layer's.</summary>
    public LayerPlacement Placement { get; }

    /// <summary>Takes the keys and values of rows that belong to no sequence.</summary>
    public long ScratchSlot { get; }

    /// <summary>Elements from a slot's head to its next.</summary>
    public long HeadStride { get; }

    /// <summary>Where a slot's first head lies, in elements.</summary>
    public long Offset(long slot) => slot / _run * _run * _slotSize + slot % _run * (HeadStride / _run);

    /// <summary>A layer's keys, [slots, kv_heads, head_dim]; where a run is longer than 1, [slots / run, kv_heads, run, head_dim] in memory.</summary>
    public IReadOnlyList<Tensor> Keys { get; }

    /// <summary>A layer's values, as the keys.</summary>
    public IReadOnlyList<Tensor> Values { get; }

    public void Dispose()
    {
        foreach (var tensor in Keys.Concat(Values))
        {
            tensor.Dispose();
        }
    }
}
