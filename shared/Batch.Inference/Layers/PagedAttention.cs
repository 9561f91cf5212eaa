using Batch.Inference.Engine;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Batch.Inference.Layers;

/// <summary>Rows of one sequence in a step: where they start in the batch, how many they are, and where the sequence's tokens lie in the cache.</summary>
/// <param name="Slots">Cache slots of all tokens up to and including the last row.</param>
internal sealed record AttentionSpan(int Start, int Rows, long[] Slots);

/// <summary>
/// Attention of a ragged batch over the block cache (Kwon et al. 2023): writes the step's keys and values to their slots, then lets each sequence's rows
/// see their own past. Each sequence is computed by itself, so its result does not depend on its neighbours.
/// </summary>
internal sealed class PagedAttention
{
    private readonly KvCache _cache;
    private readonly Tensor _newSlots; // [tokens]
    private readonly long[][] _decodes; // contexts of the rows that the decode kernel computes
    private readonly List<Gather> _gathers; // the other spans
    private readonly long _rows; // of all spans

    /// <param name="cache">Keys and values of all layers.</param>
    /// <param name="newSlots">[tokens]: the slot of each row.</param>
    /// <param name="spans">In the order of the rows. Rows after the last span belong to no sequence.</param>
    public PagedAttention(KvCache cache, long[] newSlots, IReadOnlyList<AttentionSpan> spans)
    {
        var device = cache.Keys[0].device;
        (_cache, _newSlots, _rows) = (cache, tensor(newSlots, device: device), spans[^1].Start + spans[^1].Rows);
        _decodes = Devices.HasDecodeKernel(device, cache.Keys[0].dtype) ? spans.TakeWhile(s => s.Rows == 1).Select(s => s.Slots).ToArray() : [];
        _gathers = spans.Skip(_decodes.Length).Select(s => new Gather(s, device)).ToList();
    }

    /// <param name="q">[tokens, heads, head_dim]</param>
    /// <param name="k">[tokens, kv_heads, head_dim]</param>
    /// <param name="v">[tokens, kv_heads, head_dim]</param>
    /// <returns>[tokens, heads * head_dim]</returns>
    public Tensor Forward(int layer, Tensor q, Tensor k, Tensor v)
    {
        var (keys, values) = (_cache.Keys[layer], _cache.Values[layer]); // [slots, kv_heads, head_dim]
        keys.index_copy_(0, _newSlots, k);
        values.index_copy_(0, _newSlots, v);
        var y = new List<Tensor>(_gathers.Count + 2);
        if (_decodes.Length > 0)
        {
            y.Add(DecodeAttention.Forward(q.narrow(0, 0, _decodes.Length), keys, values, _decodes));
        }
        foreach (var gather in _gathers)
        {
            y.Add(gather.Attend(q, keys, values));
        }
        if (q.shape[0] > _rows)
        {
            y.Add(zeros([q.shape[0] - _rows, y[0].shape[1]], q.dtype, q.device));
        }
        return y.Count == 1 ? y[0] : cat(y, 0);
    }

    // Copies a sequence's keys and values together and hands them to the framework's attention. Works on every device, for any number of rows.
    private sealed class Gather(AttentionSpan span, Device device)
    {
        private readonly Tensor _slots = tensor(span.Slots, device: device); // [context]

        // [rows, context]: row i is the token at context - rows + i and sees all up to itself.
        private readonly Tensor? _mask = span.Rows == 1 ? null : ones([span.Rows, span.Slots.Length], ScalarType.Bool, device).tril(span.Slots.Length - span.Rows);

        public Tensor Attend(Tensor q, Tensor keys, Tensor values)
        {
            var (heads, headDim, kvHeads) = (q.shape[1], q.shape[2], keys.shape[1]);
            var k = keys.index_select(0, _slots).transpose(0, 1).unsqueeze(1); // [kv_heads, 1, context, head_dim]
            var v = values.index_select(0, _slots).transpose(0, 1).unsqueeze(1);
            var group = heads / kvHeads;
            q = q.narrow(0, span.Start, span.Rows).reshape(span.Rows, kvHeads, group, headDim);
            if (span.Rows == 1)
            {
                // The query heads of a group share keys: they take the place of the rows.
                return scaled_dot_product_attention(q.transpose(0, 1), k, v).reshape(1, heads * headDim); // [kv_heads, 1, group, head_dim]
            }
            long[] shape = [kvHeads, group, k.shape[2], headDim];
            var y = scaled_dot_product_attention(q.permute(1, 2, 0, 3), k.expand(shape), v.expand(shape), _mask); // [kv_heads, group, rows, head_dim]
            return y.permute(2, 0, 1, 3).reshape(span.Rows, heads * headDim);
        }
    }
}
