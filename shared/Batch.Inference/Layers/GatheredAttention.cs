using System.Numerics;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Batch.Inference.Layers;

/// <summary>
/// Attention by the framework's operators, on one device: copies keys and values together where they lie scattered and hands them to
/// scaled_dot_product_attention. Sequences of one row, which decode, go together, in a call for each doubling of what they see; those of several rows one by one.
/// The query heads of a group share keys: they take the place of rows.
/// </summary>
/// <param name="newSlots">[tokens]: the slot of each row.</param>
/// <param name="spans">In the order of the rows. Rows after the last span belong to no sequence.</param>
internal sealed class GatheredAttention(long[] newSlots, IReadOnlyList<AttentionSpan> spans, Device device)
{
    private readonly Tensor _newSlots = tensor(newSlots, device: device);
    private readonly Dictionary<int, List<Part>> _parts = []; // by window, 0 for none: layers differ

    /// <param name="q">[tokens, heads, head_dim]</param>
    /// <param name="k">[tokens, kv_heads, head_dim]</param>
    /// <param name="v">[tokens, kv_heads, head_dim]</param>
    /// <param name="keys">The layer's, [slots, kv_heads, head_dim].</param>
    /// <param name="values">The layer's, [slots, kv_heads, head_dim].</param>
    /// <param name="options">The layer's own.</param>
    /// <returns>[tokens, heads * head_dim]</returns>
    public Tensor Forward(Tensor q, Tensor k, Tensor v, Tensor keys, Tensor values, AttentionOptions options)
    {
        keys.index_copy_(0, _newSlots, k);
        values.index_copy_(0, _newSlots, v);
        if (!_parts.TryGetValue(options.Window ?? 0, out var parts))
        {
            _parts[options.Window ?? 0] = parts = Plan(options, (int)(q.shape[1] / k.shape[1]));
        }
        var y = zeros([q.shape[0], q.shape[1] * q.shape[2]], q.dtype, device);
        foreach (var part in parts)
        {
            y.index_copy_(0, part.Rows, Attend(part, q, keys, values, options));
        }
        return y;
    }

    private List<Part> Plan(AttentionOptions options, int group)
    {
        var parts = new List<Part>();
        foreach (var together in spans.Where(span => span.Rows == 1).GroupBy(span => BitOperations.Log2((uint)Seen(span, options).Length)))
        {
            var seen = together.Select(span => Seen(span, options).ToArray()).ToList();
            var (count, longest) = (seen.Count, seen.Max(slots => slots.Length));
            var table = new long[count * longest]; // shorter ones see slot 0 behind a mask
            for (var i = 0; i < count; i++)
            {
                seen[i].CopyTo(table, i * longest);
            }
            var lengths = tensor(seen.Select(slots => (long)slots.Length).ToArray(), device: device).view(count, 1, 1, 1);
            var mask = seen.TrueForAll(slots => slots.Length == longest) ? null : arange(0, longest, 1, ScalarType.Int64, device) < lengths; // [count, 1, 1, longest]
            parts.Add(new Part(tensor(together.Select(span => (long)span.Start).ToArray(), device: device), count, tensor(table, device: device), mask));
        }
        foreach (var span in spans.Where(span => span.Rows > 1))
        {
            var slots = Seen(span, options);
            // Row i is the token at context - rows + i and sees all up to itself, within its window.
            var mask = ones([span.Rows, slots.Length], ScalarType.Bool, device).tril(slots.Length - span.Rows);
            mask = options.Window is { } window ? mask.triu(slots.Length - span.Rows - window + 1) : mask;
            parts.Add(new Part(arange(span.Start, span.Start + span.Rows, 1, ScalarType.Int64, device), 1, tensor(slots.ToArray(), device: device), mask.repeat_interleave(group, 0))); // [rows * group, context]
        }
        return parts;
    }

    private static ReadOnlySpan<long> Seen(AttentionSpan span, AttentionOptions options) => span.Slots.AsSpan(options.Unseen(span.Slots.Length, span.Rows));

    private static Tensor Attend(Part part, Tensor q, Tensor keys, Tensor values, AttentionOptions options)
    {
        var (heads, dim, kvHeads, rows) = (q.shape[1], q.shape[2], keys.shape[1], part.Rows.shape[0] / part.Sequences);
        var group = heads / kvHeads;
        Tensor Gather(Tensor cache) => cache.index_select(0, part.Slots).view(part.Sequences, -1, kvHeads, dim).transpose(1, 2); // [sequences, kv_heads, context, head_dim]
        q = q.index_select(0, part.Rows).view(part.Sequences, rows, kvHeads, group, dim).transpose(1, 2).reshape(part.Sequences, kvHeads, rows * group, dim);
        var y = Attend(q, Gather(keys), Gather(values), part.Mask, options); // [sequences, kv_heads, rows * group, head_dim]
        return y.view(part.Sequences, kvHeads, rows, group, dim).transpose(1, 2).reshape(part.Sequences * rows, heads * dim);
    }

    // The framework's attention scales by 1 / sqrt(head_dim) and caps nothing.
    private static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? mask, AttentionOptions options)
    {
        if (options.Softcap is not { } softcap)
        {
            var extra = options.Scale * MathF.Sqrt(q.shape[^1]);
            return scaled_dot_product_attention(MathF.Abs(extra - 1) < 1e-6f ? q : q * extra, k, v, mask).contiguous();
        }
        var scores = softcap * (matmul(q, k.transpose(-1, -2)).to(ScalarType.Float32) * (options.Scale / softcap)).tanh(); // [sequences, kv_heads, rows * group, context]
        if (mask is not null)
        {
            scores = scores.masked_fill(mask.logical_not(), float.NegativeInfinity);
        }
        return matmul(scores.softmax(-1).to(v.dtype), v);
    }

    /// <param name="Rows">[sequences * rows]: which rows of the step.</param>
    /// <param name="Slots">[sequences * context]</param>
    /// <param name="Mask">Over [sequences, kv_heads, rows * group, context].</param>
    private sealed record Part(Tensor Rows, int Sequences, Tensor Slots, Tensor? Mask);
}
