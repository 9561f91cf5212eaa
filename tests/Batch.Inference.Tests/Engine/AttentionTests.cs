using Batch.Inference.Engine;
using Batch.Inference.Layers;
using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Engine;

/// <summary>Attention against its formula, computed in double precision, head by head and token by token.</summary>
public class AttentionTests
{
    private const int Slots = 512;

    [Theory]
    [InlineData(8, 4, 16, 1, 0.25f, null, null)]
    [InlineData(6, 6, 20, 1, 0.3f, null, 5f)]
    [InlineData(8, 2, 64, 240, 0.125f, null, null)]
    [InlineData(8, 2, 64, 240, 0.2f, 17, null)]
    [InlineData(4, 1, 32, 120, 0.1f, 40, 2f)]
    [InlineData(9, 3, 40, 120, 0.2f, null, null)]
    [InlineData(4, 4, 32, 120, 0.5f, 1, 0.5f)]
    public void PagedAttention_GivesItsFormula_ForSingleRowsAnywhereInTheCache(int heads, int kvHeads, int dim, int longest, float scale, int? window, float? softcap)
    {
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        manual_seed(3);
        using var cache = Filled(kvHeads, dim, ScalarType.Float32);
        var slots = new Random(5);
        var places = Enumerable.Range(0, Slots).Select(i => (long)i).ToArray();
        slots.Shuffle(places);
        var lengths = Enumerable.Range(0, 5).Select(row => 1 + row * longest / 5).ToArray();
        var spans = lengths.Select((length, row) => new AttentionSpan(row, 1, places[lengths[..row].Sum()..][..length])).ToArray();
        var (q, k, v) = (randn(5, heads, dim), randn(5, kvHeads, dim), randn(5, kvHeads, dim));
        var options = new AttentionOptions(scale, window, softcap);

        var y = new PagedAttention(cache, spans.Select(s => s.Slots[^1]).ToArray(), spans).Forward(0, q, k, v, options);

        for (var row = 0; row < 5; row++)
        {
            AssertClose(Formula(q[row], cache.Keys[0], cache.Values[0], spans[row].Slots, options), y[row]);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32, 6, 6, 64, null)]
    [InlineData(ScalarType.BFloat16, 6, 2, 64, null)]
    [InlineData(ScalarType.Float32, 8, 1, 24, 9)]
    [InlineData(ScalarType.BFloat16, 4, 2, 40, 20)]
    public void PagedAttention_RowIsTheSame_BitForBit_InAnyChunks(ScalarType dtype, int heads, int kvHeads, int dim, int? window)
    {
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        manual_seed(6);
        const int Tokens = 70;
        var (q, k, v) = (randn(Tokens, heads, dim).to(dtype), randn(Tokens, kvHeads, dim).to(dtype), randn(Tokens, kvHeads, dim).to(dtype));
        var options = new AttentionOptions(0.3f, window);
        Tensor Run(params int[] chunks)
        {
            using var cache = Filled(kvHeads, dim, dtype);
            var (done, results) = (0, new List<Tensor>());
            foreach (var chunk in chunks)
            {
                var span = new AttentionSpan(0, chunk, AttentionTests.Run(40, done + chunk));
                Tensor Rows(Tensor all) => all.narrow(0, done, chunk);
                results.Add(new PagedAttention(cache, span.Slots[done..], [span]).Forward(0, Rows(q), Rows(k), Rows(v), options));
                done += chunk;
            }
            return cat(results, 0);
        }

        var whole = Run(Tokens);

        Assert.True(whole.eq(Run(33, 1, 2, 30, 4)).all().item<bool>());
        Assert.True(whole.eq(Run(Enumerable.Repeat(1, Tokens).ToArray())).all().item<bool>());
    }

    [Theory]
    [InlineData(ScalarType.Float32, true, 3e-6f)]
    [InlineData(ScalarType.Float32, false, 3e-6f)]
    [InlineData(ScalarType.BFloat16, true, 3e-2f)]
    [InlineData(ScalarType.BFloat16, false, 3e-2f)]
    public void PagedAttention_GivesItsFormula_ForChunksAndSingleRows(ScalarType dtype, bool own, float tolerance)
    {
        const int Heads = 6, KvHeads = 2, Dim = 16;
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        manual_seed(4);
        using var cache = Filled(KvHeads, Dim, dtype);
        // A row alone with its past, a whole prompt, and a chunk of a prompt; each sequence's tokens lie one after the other.
        long[][] contexts = [Run(0, 12), Run(40, 11), Run(100, 30)];
        int[] rows = [1, 11, 8];
        var spans = contexts.Select((slots, i) => new AttentionSpan(rows[..i].Sum(), rows[i], slots)).ToArray();
        var newSlots = contexts.SelectMany((slots, i) => slots[^rows[i]..]).ToArray();
        var attention = new PagedAttention(cache, newSlots, spans, own); // of all layers, which may differ in their options
        var (q, k, v) = (randn(20, Heads, Dim).to(dtype), randn(20, KvHeads, Dim).to(dtype), randn(20, KvHeads, Dim).to(dtype));
        foreach (var options in new[] { AttentionOptions.Causal(Dim), new(0.4f), new(0.25f, 7), new(0.25f, null, 3f), new(0.3f, 9, 2f), new(0.25f, 1), new(0.25f, 1000) })
        {
            var y = attention.Forward(0, q, k, v, options);

            foreach (var span in spans)
            {
                for (var i = 0; i < span.Rows; i++)
                {
                    var seen = span.Slots[..(span.Slots.Length - span.Rows + i + 1)];
                    AssertClose(Formula(q[span.Start + i], cache.Keys[0], cache.Values[0], seen, options), y[span.Start + i], tolerance);
                }
            }
        }
    }

    private static KvCache Filled(int kvHeads, int dim, ScalarType dtype)
    {
        var cache = new KvCache(new OneLayer(kvHeads, dim), Slots, dtype, CPU);
        cache.Keys[0].copy_(randn(Slots + 1, kvHeads, dim));
        cache.Values[0].copy_(randn(Slots + 1, kvHeads, dim));
        return cache;
    }

    private static long[] Run(int start, int length) => Enumerable.Range(start, length).Select(i => (long)i).ToArray();

    // softmax(softcap tanh(scale q·k / softcap)) v over the last `window` of the slots.
    private static double[] Formula(Tensor q, Tensor keys, Tensor values, long[] slots, AttentionOptions options)
    {
        var (heads, dim, group) = ((int)q.shape[0], (int)q.shape[1], (int)(q.shape[0] / keys.shape[1]));
        var seen = slots[Math.Max(0, slots.Length - (options.Window ?? slots.Length))..];
        var (qs, ks, vs) = (Doubles(q), Doubles(keys.index_select(0, tensor(seen))), Doubles(values.index_select(0, tensor(seen))));
        var y = new double[heads * dim];
        for (var head = 0; head < heads; head++)
        {
            int At(int t, int d) => (t * (heads / group) + head / group) * dim + d;
            var scores = seen.Select((_, t) => options.Scale * Enumerable.Range(0, dim).Sum(d => qs[head * dim + d] * ks[At(t, d)])).ToArray();
            scores = options.Softcap is { } cap ? scores.Select(s => cap * Math.Tanh(s / cap)).ToArray() : scores;
            var weights = scores.Select(s => Math.Exp(s - scores.Max())).ToArray();
            for (var d = 0; d < dim; d++)
            {
                y[head * dim + d] = weights.Select((w, t) => w * vs[At(t, d)]).Sum() / weights.Sum();
            }
        }
        return y;
    }

    private static double[] Doubles(Tensor x) => x.to(ScalarType.Float64).contiguous().reshape(-1).data<double>().ToArray();

    private static void AssertClose(double[] expected, Tensor actual, float tolerance = 3e-6f) =>
        Assert.InRange(expected.Zip(Doubles(actual), (e, a) => Math.Abs(e - a)).Max(), 0, tolerance);

    private sealed class OneLayer(int kvHeads, int headDim) : CausalLM
    {
        public override int Layers => 1;

        public override int KeyValueHeads => kvHeads;

        public override int HeadDim => headDim;

        public override int VocabularySize => 1;

        public override int ContextLength => Slots;

        public override Tensor Forward(Tensor ids, Tensor positions, PagedAttention attention) => throw new NotSupportedException();

        public override Tensor Head(Tensor hidden) => throw new NotSupportedException();
    }
}
