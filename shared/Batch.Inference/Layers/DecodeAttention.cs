using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// Attention of single rows over the block cache, float32 on the CPU: reads keys and values where they lie, which spares gathering them and a dozen calls
/// for each sequence and layer. The order of summation is fixed, eight lanes wide, on every machine and for any number of threads.
/// </summary>
internal static unsafe class DecodeAttention
{
    // Below so many multiplications other threads cost more than they bring.
    private const long WorthThreads = 1 << 18;

    /// <summary>One query row for each context.</summary>
    /// <param name="q">[rows, heads, head_dim]</param>
    /// <param name="keys">[slots, kv_heads, head_dim]</param>
    /// <param name="values">[slots, kv_heads, head_dim]</param>
    /// <param name="contexts">For each row, the slots of the tokens that it sees.</param>
    /// <param name="options">Scale, window and softcap of the layer.</param>
    /// <returns>[rows, heads * head_dim]</returns>
    public static Tensor Forward(Tensor q, Tensor keys, Tensor values, IReadOnlyList<long[]> contexts, AttentionOptions options)
    {
        var (rows, heads, dim, kvHeads) = ((int)q.shape[0], (int)q.shape[1], (int)q.shape[2], (int)keys.shape[1]);
        using var queries = q.contiguous();
        var y = empty([rows, heads * dim], ScalarType.Float32);
        var work = new Work(Pointer(queries), Pointer(keys), Pointer(values), Pointer(y), heads / kvHeads, kvHeads, dim, options);
        if (contexts.Sum(c => (long)c.Length) * heads * dim < WorthThreads)
        {
            for (var i = 0; i < rows * kvHeads; i++)
            {
                work.Attend(contexts[i / kvHeads], i / kvHeads, i % kvHeads);
            }
        }
        else
        {
            var threads = new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() };
            Parallel.For(0, rows * kvHeads, threads, i => work.Attend(contexts[i / kvHeads], i / kvHeads, i % kvHeads));
        }
        return y;
    }

    private static float* Pointer(Tensor tensor)
    {
        using var first = tensor.narrow(0, 0, 1); // a span reaches 2 GiB at most, the tensor may be larger
        return (float*)Unsafe.AsPointer(ref first.bytes[0]);
    }

    private sealed class Work(float* queries, float* keys, float* values, float* output, int group, int kvHeads, int dim, AttentionOptions options)
    {
        /// <summary>The query heads that share one key-value head, for one row.</summary>
        public void Attend(long[] context, int row, int kvHead)
        {
            var slots = context.AsSpan(options.Unseen(context.Length, rows: 1));
            var rented = ArrayPool<float>.Shared.Rent(slots.Length);
            fixed (float* scores = rented)
            {
                for (var g = 0; g < group; g++)
                {
                    var at = ((long)row * kvHeads * group + kvHead * group + g) * dim;
                    Scores(queries + at, slots, kvHead, scores);
                    var sum = Softmax(scores, slots.Length);
                    Weigh(scores, 1f / sum, slots, kvHead, output + at);
                }
            }
            ArrayPool<float>.Shared.Return(rented);
        }

        private void Scores(float* q, ReadOnlySpan<long> slots, int kvHead, float* scores)
        {
            for (var t = 0; t < slots.Length; t++)
            {
                scores[t] = Dot(q, keys + (slots[t] * kvHeads + kvHead) * dim, dim) * options.Scale;
            }
            if (options.Softcap is { } softcap)
            {
                for (var t = 0; t < slots.Length; t++)
                {
                    scores[t] = softcap * MathF.Tanh(scores[t] / softcap);
                }
            }
        }

        private void Weigh(float* scores, float scale, ReadOnlySpan<long> slots, int kvHead, float* y)
        {
            new Span<float>(y, dim).Clear();
            for (var t = 0; t < slots.Length; t++)
            {
                var weight = scores[t] * scale;
                var v = values + (slots[t] * kvHeads + kvHead) * dim;
                var d = 0;
                for (; d <= dim - Vector256<float>.Count; d += Vector256<float>.Count)
                {
                    (Vector256.Load(y + d) + Vector256.Load(v + d) * weight).Store(y + d);
                }
                for (; d < dim; d++)
                {
                    y[d] += v[d] * weight;
                }
            }
        }
    }

    private static float Dot(float* a, float* b, int length)
    {
        var sum = Vector256<float>.Zero;
        var i = 0;
        for (; i <= length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            sum += Vector256.Load(a + i) * Vector256.Load(b + i);
        }
        var total = Vector256.Sum(sum);
        for (; i < length; i++)
        {
            total += a[i] * b[i];
        }
        return total;
    }

    // exp(x - max) in place; returns their sum.
    private static float Softmax(float* x, int length)
    {
        var max = x[0];
        for (var i = 1; i < length; i++)
        {
            max = MathF.Max(max, x[i]);
        }
        var sums = Vector256<float>.Zero;
        var at = 0;
        for (; at <= length - Vector256<float>.Count; at += Vector256<float>.Count)
        {
            var e = Vector256.Exp(Vector256.Load(x + at) - Vector256.Create(max));
            e.Store(x + at);
            sums += e;
        }
        var sum = Vector256.Sum(sums);
        for (; at < length; at++)
        {
            x[at] = MathF.Exp(x[at] - max);
            sum += x[at];
        }
        return sum;
    }
}
