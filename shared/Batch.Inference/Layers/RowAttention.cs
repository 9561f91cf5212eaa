using System.Buffers;
using Batch.Inference.Engine;
using Batch.Inference.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// Attention over the block cache on the CPU: reads keys and values where they lie, for every row of a step in one call. A row's result depends on its own
/// query and on what it sees, bit for bit: not on its neighbours, on how its prompt was cut into chunks, or on the number of threads.
/// </summary>
internal sealed unsafe class RowAttention
{
    private const int Width = AttentionKernel<Float32Lanes>.Width;

    private readonly KvCache _cache;
    private readonly long[] _newTokens; // offsets of the rows' own tokens in the cache
    private readonly List<Piece> _pieces = [];
    private readonly int _rows; // of all spans
    private readonly int _longest;
    private int _group;

    /// <param name="cache">Keys and values of all layers.</param>
    /// <param name="newSlots">[tokens]: the slot of each row.</param>
    /// <param name="spans">In the order of the rows. Rows after the last span belong to no sequence.</param>
    public RowAttention(KvCache cache, long[] newSlots, IReadOnlyList<AttentionSpan> spans)
    {
        (_cache, _rows) = (cache, spans[^1].Start + spans[^1].Rows);
        _newTokens = Array.ConvertAll(newSlots, cache.Offset);
        Spans = spans;
        _longest = spans.Max(s => s.Slots.Length);
    }

    private IReadOnlyList<AttentionSpan> Spans { get; }

    public static bool Serves(KvCache cache) => cache.Keys[0].device_type == DeviceType.CPU && cache.Keys[0].dtype is ScalarType.Float32 or ScalarType.BFloat16;

    /// <inheritdoc cref="PagedAttention.Forward"/>
    public Tensor Forward(int layer, Tensor q, Tensor k, Tensor v, AttentionOptions options) => q.dtype == ScalarType.BFloat16
        ? Forward<BFloat16Lanes>(layer, q, k, v, options)
        : Forward<Float32Lanes>(layer, q, k, v, options);

    private Tensor Forward<T>(int layer, Tensor q, Tensor k, Tensor v, AttentionOptions options)
        where T : struct, ILanes
    {
        var (heads, kvHeads, dim) = ((int)q.shape[1], (int)k.shape[1], (int)q.shape[2]);
        using var queries = new RowView(q);
        using RowView newKeys = new(k), newValues = new(v);
        byte* keys = _cache.Keys[layer].Pointer(), values = _cache.Values[layer].Pointer();
        // Each by one thread: where a page of the cache is used for the first time, the system needs longer than the copies do.
        Workers.For(2, i => Store<T>(i == 0 ? newKeys : newValues, i == 0 ? keys : values, kvHeads, dim * T.Size));
        Plan(heads / kvHeads, kvHeads);
        var y = empty([q.shape[0], heads * dim], q.dtype);
        var output = y.Pointer();
        new Span<byte>(output + (long)_rows * heads * dim * T.Size, (int)(q.shape[0] - _rows) * heads * dim * T.Size).Clear();
        var call = new Call<T>(this, queries.Start, queries.RowBytes, keys, values, output, heads, dim, options);
        var chunk = Math.Max(1, _pieces.Count / (32 * get_num_threads()));
        Workers.For((_pieces.Count + chunk - 1) / chunk, i => call.Attend(i * chunk, Math.Min(_pieces.Count, (i + 1) * chunk)));
        return y;
    }

    // Writes the step's own keys or values to their places.
    private void Store<T>(RowView rows, byte* cache, int heads, int size)
        where T : struct, ILanes
    {
        for (var row = 0; row < _newTokens.Length; row++)
        {
            for (var head = 0; head < heads; head++)
            {
                var place = cache + (_newTokens[row] + head * _cache.HeadStride) * T.Size;
                Buffer.MemoryCopy(rows.Start + row * rows.RowBytes + (long)head * size, place, size, size);
            }
        }
    }

    // Pieces of a few queries each that share keys: head by head, so that the rows of a prompt find keys and values in the processor's caches.
    private void Plan(int group, int kvHeads)
    {
        if (group == _group)
        {
            return; // as in the layer before
        }
        _group = group;
        _pieces.Clear();
        var rows = Math.Max(1, Width / group);
        foreach (var span in Spans)
        {
            var tokens = Array.ConvertAll(span.Slots, _cache.Offset);
            for (var head = 0; head < kvHeads; head++)
            {
                for (var row = 0; row < span.Rows; row += rows)
                {
                    _pieces.Add(new Piece(tokens, head, span.Start + row, Math.Min(rows, span.Rows - row), tokens.Length - span.Rows + row + 1));
                }
            }
        }
    }

    /// <param name="Tokens">Where the sequence's tokens lie in the cache.</param>
    /// <param name="Head">The key-value head.</param>
    /// <param name="Row">The first row.</param>
    /// <param name="Rows">How many.</param>
    /// <param name="Seen">How many tokens the first row sees; the next sees one more.</param>
    private readonly record struct Piece(long[] Tokens, int Head, int Row, int Rows, int Seen);

    private sealed class Call<T>(RowAttention step, byte* queries, long rowBytes, byte* keys, byte* values, byte* output, int heads, int dim, AttentionOptions options)
        where T : struct, ILanes
    {
        public void Attend(int from, int to)
        {
            var rented = ArrayPool<float>.Shared.Rent(Width * step._longest);
            fixed (float* scores = rented)
            {
                for (var i = from; i < to; i++)
                {
                    Attend(step._pieces[i], scores);
                }
            }
            ArrayPool<float>.Shared.Return(rented);
        }

        private void Attend(Piece piece, float* scores)
        {
            Span<Query> together = stackalloc Query[Width];
            var (group, count, stride) = (step._group, 0, piece.Head * step._cache.HeadStride * T.Size);
            fixed (long* tokens = piece.Tokens)
            {
                for (var i = 0; i < piece.Rows * group; i++)
                {
                    var (row, head, seen) = (piece.Row + i / group, piece.Head * group + i % group, piece.Seen + i / group);
                    together[count++] = new Query(
                        queries + row * rowBytes + (long)head * dim * T.Size,
                        output + ((long)row * heads + head) * dim * T.Size,
                        options.Unseen(seen, rows: 1),
                        seen);
                    if (count == Width || i == piece.Rows * group - 1)
                    {
                        AttentionKernel<T>.Attend(together[..count], tokens, keys + stride, values + stride, dim, options, scores);
                        count = 0;
                    }
                }
            }
        }
    }
}
