using Batch.Inference.Engine;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Batch.Inference.Layers;

/// <summary>Rows of one sequence in a step: where they start in the batch, how many they are, and where the sequence's tokens lie in the cache.</summary>
/// <param name="Slots">Cache slots of all tokens up to and including the last row.</param>
internal sealed record AttentionSpan(int Start, int Rows, long[] Slots);

/// <summary>What a layer does with its scores: softcap * tanh(scale * q·k / softcap), and who sees whom.</summary>
/// <param name="Scale">Of q·k; 1 / sqrt(head_dim) in most families.</param>
/// <param name="Window">A token sees itself and the Window - 1 tokens before it; all of them without one.</param>
/// <param name="Softcap">Bounds the scaled scores to ±Softcap (Gemma 2).</param>
internal sealed record AttentionOptions(float Scale, int? Window = null, float? Softcap = null)
{
    /// <summary>The usual: scaled by 1 / sqrt(head_dim), over the whole past.</summary>
    public static AttentionOptions Causal(int headDim) => new(1f / MathF.Sqrt(headDim));

    /// <summary>How many of the context's first tokens no row of a span sees.</summary>
    public int Unseen(int context, int rows) => Window is { } window ? Math.Max(0, context - rows - window + 1) : 0;
}

/// <summary>
/// Attention of a ragged batch over the block cache (Kwon et al. 2023): writes the step's keys and values to their slots, then lets each sequence's rows
/// see their own past. Each sequence is computed by itself, so its result does not depend on its neighbours; with <see cref="RowAttention"/> each row, so
/// that it does not depend on which other rows of its sequence share the step, either.
/// </summary>
internal sealed class PagedAttention
{
    private readonly RowAttention? _own; // on the CPU
    private readonly KvCache _cache;
    private readonly Tensor _newSlots = null!; // [tokens]
    private readonly List<Gather> _gathers = [];
    private readonly long _rows; // of all spans

    /// <param name="cache">Keys and values of all layers.</param>
    /// <param name="newSlots">[tokens]: the slot of each row.</param>
    /// <param name="spans">In the order of the rows. Rows after the last span belong to no sequence.</param>
    /// <param name="own">False for the framework's attention where there is an own kernel, too: what tests compare with.</param>
    public PagedAttention(KvCache cache, long[] newSlots, IReadOnlyList<AttentionSpan> spans, bool own = true)
    {
        _cache = cache;
        if (own && RowAttention.Serves(cache))
        {
            _own = new RowAttention(cache, newSlots, spans);
            return;
        }
        var device = cache.Keys[0].device;
        (_newSlots, _rows) = (tensor(newSlots, device: device), spans[^1].Start + spans[^1].Rows);
        _gathers = spans.Select(s => new Gather(s, device)).ToList();
    }

    /// <param name="q">[tokens, heads, head_dim]</param>
    /// <param name="k">[tokens, kv_heads, head_dim]</param>
    /// <param name="v">[tokens, kv_heads, head_dim]</param>
    /// <param name="options">The layer's own.</param>
    /// <returns>[tokens, heads * head_dim]</returns>
    public Tensor Forward(int layer, Tensor q, Tensor k, Tensor v, AttentionOptions options)
    {
        if (_own is not null)
        {
            return _own.Forward(layer, q, k, v, options);
        }
        var (keys, values) = (_cache.Keys[layer], _cache.Values[layer]); // [slots, kv_heads, head_dim]
        keys.index_copy_(0, _newSlots, k);
        values.index_copy_(0, _newSlots, v);
        var y = _gathers.Select(gather => gather.Attend(q, keys, values, options)).ToList();
        if (q.shape[0] > _rows)
        {
            y.Add(zeros([q.shape[0] - _rows, y[0].shape[1]], q.dtype, q.device));
        }
        return y.Count == 1 ? y[0] : cat(y, 0);
    }

    // Copies a sequence's keys and values together and hands them to the framework's attention. Works on every device, for any number of rows.
    private sealed class Gather(AttentionSpan span, Device device)
    {
        private readonly Dictionary<int, View> _views = []; // by window, 0 for none: layers differ

        public Tensor Attend(Tensor q, Tensor keys, Tensor values, AttentionOptions options)
        {
            var (slots, mask) = Seen(options);
            var (heads, headDim, kvHeads) = (q.shape[1], q.shape[2], keys.shape[1]);
            var k = keys.index_select(0, slots).transpose(0, 1).unsqueeze(1); // [kv_heads, 1, context, head_dim]
            var v = values.index_select(0, slots).transpose(0, 1).unsqueeze(1);
            var group = heads / kvHeads;
            q = q.narrow(0, span.Start, span.Rows).reshape(span.Rows, kvHeads, group, headDim);
            if (span.Rows == 1)
            {
                // The query heads of a group share keys: they take the place of the rows.
                return Attend(q.transpose(0, 1), k, v, null, options).reshape(1, heads * headDim); // [kv_heads, 1, group, head_dim]
            }
            long[] shape = [kvHeads, group, k.shape[2], headDim];
            var y = Attend(q.permute(1, 2, 0, 3), k.expand(shape), v.expand(shape), mask, options); // [kv_heads, group, rows, head_dim]
            return y.permute(2, 0, 1, 3).reshape(span.Rows, heads * headDim);
        }

        private View Seen(AttentionOptions options)
        {
            if (!_views.TryGetValue(options.Window ?? 0, out var view))
            {
                var unseen = options.Unseen(span.Slots.Length, span.Rows);
                var (rows, context) = (span.Rows, span.Slots.Length - unseen);
                // Row i is the token at context - rows + i and sees all up to itself, within its window.
                var mask = rows == 1 ? null : ones([rows, context], ScalarType.Bool, device).tril(context - rows);
                if (mask is not null && options.Window is { } window)
                {
                    mask = mask.triu(context - rows - window + 1);
                }
                _views[options.Window ?? 0] = view = new View(tensor(span.Slots[unseen..], device: device), mask);
            }
            return view;
        }

        // The framework's attention scales by 1 / sqrt(head_dim) and caps nothing.
        private static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? mask, AttentionOptions options)
        {
            if (options.Softcap is not { } softcap)
            {
                var extra = options.Scale * MathF.Sqrt(q.shape[^1]);
                return scaled_dot_product_attention(MathF.Abs(extra - 1) < 1e-6f ? q : q * extra, k, v, mask);
            }
            var scores = softcap * (matmul(q, k.transpose(-1, -2)).to(ScalarType.Float32) * (options.Scale / softcap)).tanh(); // [kv_heads, group, rows, context]
            if (mask is not null)
            {
                scores = scores.masked_fill(mask.logical_not(), float.NegativeInfinity);
            }
            return matmul(scores.softmax(-1).to(v.dtype), v);
        }

        /// <param name="Slots">[context]</param>
        /// <param name="Mask">[rows, context]</param>
        private sealed record View(Tensor Slots, Tensor? Mask);
    }
}
