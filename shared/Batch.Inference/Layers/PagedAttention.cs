using Batch.Inference.Engine;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Batch.Inference.Layers;

/// <summary>Rows of one sequence in a step: where they start in the batch and where the sequence's tokens lie in the cache.</summary>
/// <param name="Slots">[context] int64: cache slots of all tokens up to and including the last row.</param>
/// <param name="Mask">[rows, context] bool, true where a row may look; null when a single row sees everything.</param>
internal sealed record AttentionSpan(long Start, long Rows, Tensor Slots, Tensor? Mask);

/// <summary>
/// Attention of a ragged batch over the block cache (Kwon et al. 2023): writes the step's keys and values to their slots, then lets each sequence's rows
/// see their own past. Each sequence is computed by itself, so its result does not depend on its neighbours.
/// </summary>
/// <param name="cache">Keys and values of all layers.</param>
/// <param name="newSlots">[tokens] int64: the slot of each row.</param>
/// <param name="spans">In the order of the rows; rows after the last span belong to no sequence.</param>
internal sealed class PagedAttention(KvCache cache, Tensor newSlots, IReadOnlyList<AttentionSpan> spans)
{
    /// <param name="q">[tokens, heads, head_dim]</param>
    /// <param name="k">[tokens, kv_heads, head_dim]</param>
    /// <param name="v">[tokens, kv_heads, head_dim]</param>
    /// <returns>[tokens, heads * head_dim]</returns>
    public Tensor Forward(int layer, Tensor q, Tensor k, Tensor v)
    {
        var (keys, values) = (cache.Keys[layer], cache.Values[layer]); // [slots, kv_heads, head_dim]
        keys.index_copy_(0, newSlots, k);
        values.index_copy_(0, newSlots, v);
        var y = new List<Tensor>(spans.Count + 1);
        foreach (var span in spans)
        {
            y.Add(Attend(q.narrow(0, span.Start, span.Rows), keys, values, span));
        }
        var fill = q.shape[0] - (spans[^1].Start + spans[^1].Rows);
        if (fill > 0)
        {
            y.Add(zeros([fill, y[0].shape[1]], q.dtype, q.device));
        }
        return y.Count == 1 ? y[0] : cat(y, 0);
    }

    private static Tensor Attend(Tensor q, Tensor keys, Tensor values, AttentionSpan span)
    {
        var (rows, heads, headDim, kvHeads) = (q.shape[0], q.shape[1], q.shape[2], keys.shape[1]);
        var k = keys.index_select(0, span.Slots).transpose(0, 1).unsqueeze(1); // [kv_heads, 1, context, head_dim]
        var v = values.index_select(0, span.Slots).transpose(0, 1).unsqueeze(1);
        var group = heads / kvHeads;
        q = q.view(rows, kvHeads, group, headDim);
        if (rows == 1)
        {
            // The query heads of a group share keys: they take the place of the rows.
            return scaled_dot_product_attention(q.transpose(0, 1), k, v).reshape(1, heads * headDim); // [kv_heads, 1, group, head_dim]
        }
        long[] shape = [kvHeads, group, k.shape[2], headDim];
        var y = scaled_dot_product_attention(q.permute(1, 2, 0, 3), k.expand(shape), v.expand(shape), span.Mask); // [kv_heads, group, rows, head_dim]
        return y.permute(2, 0, 1, 3).reshape(rows, heads * headDim);
    }
}
