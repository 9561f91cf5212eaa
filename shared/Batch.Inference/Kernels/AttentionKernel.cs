using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Batch.Inference.Layers;

namespace Batch.Inference.Kernels;

/// <summary>One of the queries that a call of <see cref="AttentionKernel{T}"/> answers.</summary>
/// <param name="vector">[head_dim]</param>
/// <param name="output">[head_dim]</param>
/// <param name="from">The first token of the context that it sees.</param>
/// <param name="to">The token after the last that it sees.</param>
internal readonly unsafe struct Query(byte* vector, byte* output, int from, int to)
{
    public readonly byte* Vector = vector, Output = output;
    public readonly int From = from, To = to;
}

/// <summary>
/// softmax(scores) V for up to four queries that share each key and value that is read. Each query's sums run in one fixed order, over the dimensions in
/// 16 lanes and over the tokens that it sees from the first to the last, whatever queries are beside it.
/// </summary>
internal static unsafe class AttentionKernel<T>
    where T : struct, ILanes
{
    /// <summary>Queries that may share a read.</summary>
    public const int Width = 4;

    private const int Lanes = 16, Pair = 2 * Lanes;
    private const int Ahead = 16; // tokens: a block of the cache, beyond which the processor does not look by itself

    /// <param name="queries">One to <see cref="Width"/> of them.</param>
    /// <param name="tokens">For each token of the context, the offset of its key and its value, in elements.</param>
    /// <param name="scores">Scratch of <see cref="Width"/> times the longest context.</param>
    [SkipLocalsInit]
    public static void Attend(ReadOnlySpan<Query> queries, long* tokens, byte* keys, byte* values, int dim, AttentionOptions options, float* scores)
    {
        var (first, end) = (queries[0].From, queries[0].To);
        foreach (var query in queries)
        {
            (first, end) = (Math.Min(first, query.From), Math.Max(end, query.To));
        }
        tokens += first;
        var length = end - first;
        var wide = stackalloc float[queries.Length * dim];
        Widen(queries, wide, dim);
        if (queries.Length == 1)
        {
            Score(wide, tokens, length, keys, dim, scores);
        }
        else
        {
            Score(wide, queries.Length, tokens, length, keys, dim, scores);
        }
        for (var t = 0; t < Math.Min(Ahead, length); t++)
        {
            Prefetch(values + tokens[t] * T.Size, dim);
        }
        var scales = stackalloc float[Width];
        for (var i = 0; i < queries.Length; i++)
        {
            // What the others see and this one does not weighs 0 and adds nothing.
            var (from, to) = (queries[i].From - first, queries[i].To - first);
            var row = scores + (long)i * length;
            scales[i] = 1f / Softmax(row + from, to - from, options);
            new Span<float>(row, from).Clear();
            new Span<float>(row + to, length - to).Clear();
        }
        if (queries.Length == 1)
        {
            Weigh(queries[0].Output, scales[0], scores, tokens, length, values, dim);
        }
        else
        {
            Weigh(queries, scales, scores, tokens, length, values, dim);
        }
    }

    // [queries, dim] in float32, in the order of the keys' halves, so that a query is widened once and not for each key.
    private static void Widen(ReadOnlySpan<Query> queries, float* wide, int dim)
    {
        foreach (var query in queries)
        {
            var d = 0;
            for (; d <= dim - Pair; d += Pair)
            {
                var (first, second) = T.LoadPair(query.Vector, d);
                first.Store(wide + d);
                second.Store(wide + d + Lanes);
            }
            for (; d <= dim - Lanes; d += Lanes)
            {
                T.Load(query.Vector, d).Store(wide + d);
            }
            for (; d < dim; d++)
            {
                wide[d] = T.LoadOne(query.Vector, d);
            }
            wide += dim;
        }
    }

    // Four tokens at once.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Score(float* query, long* tokens, int length, byte* keys, int dim, float* scores)
    {
        for (var t = 0; t < length; t += Width)
        {
            var last = length - 1; // beyond it, the last token is computed again
            byte* k0 = keys + tokens[t] * T.Size, k1 = keys + tokens[Math.Min(t + 1, last)] * T.Size;
            byte* k2 = keys + tokens[Math.Min(t + 2, last)] * T.Size, k3 = keys + tokens[Math.Min(t + 3, last)] * T.Size;
            for (var i = t + Ahead; i < Math.Min(t + Ahead + Width, length); i++)
            {
                Prefetch(keys + tokens[i] * T.Size, dim);
            }
            var (s0, s1, s2, s3) = (Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero);
            var d = 0;
            for (; d <= dim - Pair; d += Pair)
            {
                var (q, r) = (Vector512.Load(query + d), Vector512.Load(query + d + Lanes));
                var (a0, b0) = T.LoadPair(k0, d);
                var (a1, b1) = T.LoadPair(k1, d);
                var (a2, b2) = T.LoadPair(k2, d);
                var (a3, b3) = T.LoadPair(k3, d);
                s0 = Vector512.FusedMultiplyAdd(r, b0, Vector512.FusedMultiplyAdd(q, a0, s0));
                s1 = Vector512.FusedMultiplyAdd(r, b1, Vector512.FusedMultiplyAdd(q, a1, s1));
                s2 = Vector512.FusedMultiplyAdd(r, b2, Vector512.FusedMultiplyAdd(q, a2, s2));
                s3 = Vector512.FusedMultiplyAdd(r, b3, Vector512.FusedMultiplyAdd(q, a3, s3));
            }
            for (; d <= dim - Lanes; d += Lanes)
            {
                var q = Vector512.Load(query + d);
                s0 = Vector512.FusedMultiplyAdd(q, T.Load(k0, d), s0);
                s1 = Vector512.FusedMultiplyAdd(q, T.Load(k1, d), s1);
                s2 = Vector512.FusedMultiplyAdd(q, T.Load(k2, d), s2);
                s3 = Vector512.FusedMultiplyAdd(q, T.Load(k3, d), s3);
            }
            var sums = Sums(s0, s1, s2, s3);
            for (; d < dim; d++)
            {
                sums += query[d] * Vector128.Create(T.LoadOne(k0, d), T.LoadOne(k1, d), T.LoadOne(k2, d), T.LoadOne(k3, d));
            }
            if (t + Width <= length)
            {
                sums.Store(scores + t);
                continue;
            }
            for (var i = 0; t + i < length; i++)
            {
                scores[t + i] = sums[i];
            }
        }
    }

    // Four queries at once; of fewer, the last is computed again.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Score(float* query, int count, long* tokens, int length, byte* keys, int dim, float* scores)
    {
        var (second, third, last) = (1, Math.Min(2, count - 1), count - 1);
        float* q0 = query, q1 = query + second * dim, q2 = query + third * dim, q3 = query + last * dim;
        for (var t = 0; t < length; t++)
        {
            Prefetch(keys + tokens[Math.Min(t + Ahead, length - 1)] * T.Size, dim);
            var key = keys + tokens[t] * T.Size;
            var (s0, s1, s2, s3) = (Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero);
            var d = 0;
            for (; d <= dim - Pair; d += Pair)
            {
                var (a, b) = T.LoadPair(key, d);
                s0 = Vector512.FusedMultiplyAdd(Vector512.Load(q0 + d + Lanes), b, Vector512.FusedMultiplyAdd(Vector512.Load(q0 + d), a, s0));
                s1 = Vector512.FusedMultiplyAdd(Vector512.Load(q1 + d + Lanes), b, Vector512.FusedMultiplyAdd(Vector512.Load(q1 + d), a, s1));
                s2 = Vector512.FusedMultiplyAdd(Vector512.Load(q2 + d + Lanes), b, Vector512.FusedMultiplyAdd(Vector512.Load(q2 + d), a, s2));
                s3 = Vector512.FusedMultiplyAdd(Vector512.Load(q3 + d + Lanes), b, Vector512.FusedMultiplyAdd(Vector512.Load(q3 + d), a, s3));
            }
            for (; d <= dim - Lanes; d += Lanes)
            {
                var part = T.Load(key, d);
                s0 = Vector512.FusedMultiplyAdd(Vector512.Load(q0 + d), part, s0);
                s1 = Vector512.FusedMultiplyAdd(Vector512.Load(q1 + d), part, s1);
                s2 = Vector512.FusedMultiplyAdd(Vector512.Load(q2 + d), part, s2);
                s3 = Vector512.FusedMultiplyAdd(Vector512.Load(q3 + d), part, s3);
            }
            var sums = Sums(s0, s1, s2, s3);
            for (; d < dim; d++)
            {
                sums += T.LoadOne(key, d) * Vector128.Create(q0[d], q1[d], q2[d], q3[d]);
            }
            scores[t] = sums[0];
            scores[(long)second * length + t] = sums[1];
            scores[(long)third * length + t] = sums[2];
            scores[(long)last * length + t] = sums[3];
        }
    }

    // The lanes of each, added in one order: halves, quarters, then neighbours.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sums(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        var (e, f, g, h) = (Quarter(a), Quarter(b), Quarter(c), Quarter(d));
        return Sse3.IsSupported
            ? Sse3.HorizontalAdd(Sse3.HorizontalAdd(e, f), Sse3.HorizontalAdd(g, h))
            : Vector128.Create(e[0] + e[1] + (e[2] + e[3]), f[0] + f[1] + (f[2] + f[3]), g[0] + g[1] + (g[2] + g[3]), h[0] + h[1] + (h[2] + h[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Quarter(Vector512<float> x)
    {
        var half = x.GetLower() + x.GetUpper();
        return half.GetLower() + half.GetUpper();
    }

    // exp(score - max) in place; returns their sum.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Softmax(float* x, int length, AttentionOptions options)
    {
        var max = Scale(x, length, options);
        var sums = Vector512<float>.Zero;
        var at = 0;
        for (; at <= length - Lanes; at += Lanes)
        {
            var e = Exponential.Of(Vector512.Load(x + at) - Vector512.Create(max));
            e.Store(x + at);
            sums += e;
        }
        var sum = Vector512.Sum(sums);
        for (; at < length; at++)
        {
            x[at] = Exponential.Of(x[at] - max);
            sum += x[at];
        }
        return sum;
    }

    // Scale and softcap, in place; returns the largest.
    private static float Scale(float* x, int length, AttentionOptions options)
    {
        if (options.Softcap is { } softcap)
        {
            for (var i = 0; i < length; i++)
            {
                x[i] = softcap * MathF.Tanh(x[i] * options.Scale / softcap);
            }
        }
        else
        {
            for (var i = 0; i <= length - Lanes; i += Lanes)
            {
                (Vector512.Load(x + i) * options.Scale).Store(x + i);
            }
            for (var i = length / Lanes * Lanes; i < length; i++)
            {
                x[i] *= options.Scale;
            }
        }
        return Max(x, length);
    }

    private static float Max(float* x, int length)
    {
        var (max, i) = (float.NegativeInfinity, 0);
        if (length >= Lanes)
        {
            var lanes = Vector512.Load(x);
            for (i = Lanes; i <= length - Lanes; i += Lanes)
            {
                lanes = Vector512.Max(lanes, Vector512.Load(x + i));
            }
            for (var lane = 0; lane < Lanes; lane++)
            {
                max = MathF.Max(max, lanes[lane]);
            }
        }
        for (; i < length; i++)
        {
            max = MathF.Max(max, x[i]);
        }
        return max;
    }

    // Four vectors of the output at once, so that four chains of additions hide each other's latency.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weigh(byte* output, float scale, float* weights, long* tokens, int length, byte* values, int dim)
    {
        var d = 0;
        for (; d <= dim - 2 * Pair; d += 2 * Pair)
        {
            var (y0, y1, y2, y3) = (Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero);
            for (var t = 0; t < length; t++)
            {
                Prefetch(values + (tokens[Math.Min(t + Ahead, length - 1)] + d) * T.Size, 2 * Pair);
                var (weight, at) = (Vector512.Create(weights[t]), tokens[t] + d);
                var (a, b) = T.LoadPair(values, at);
                var (c, e) = T.LoadPair(values, at + Pair);
                y0 = Vector512.FusedMultiplyAdd(a, weight, y0);
                y1 = Vector512.FusedMultiplyAdd(b, weight, y1);
                y2 = Vector512.FusedMultiplyAdd(c, weight, y2);
                y3 = Vector512.FusedMultiplyAdd(e, weight, y3);
            }
            T.StorePair(y0 * scale, y1 * scale, output, d);
            T.StorePair(y2 * scale, y3 * scale, output, d + Pair);
        }
        for (; d <= dim - Lanes; d += Lanes)
        {
            var y = Vector512<float>.Zero;
            for (var t = 0; t < length; t++)
            {
                y = Vector512.FusedMultiplyAdd(T.Load(values, tokens[t] + d), Vector512.Create(weights[t]), y);
            }
            T.Store(y * scale, output, d);
        }
        Rest(output, scale, weights, tokens, length, values, d, dim);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weigh(ReadOnlySpan<Query> queries, float* scales, float* weights, long* tokens, int length, byte* values, int dim)
    {
        var last = queries.Length - 1;
        float* w0 = weights, w1 = weights + length, w2 = weights + Math.Min(2, last) * (long)length, w3 = weights + last * (long)length;
        var d = 0;
        for (; d <= dim - Pair; d += Pair)
        {
            var (a0, a1, a2, a3) = (Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero);
            var (b0, b1, b2, b3) = (a0, a1, a2, a3);
            for (var t = 0; t < length; t++)
            {
                Prefetch(values + (tokens[Math.Min(t + Ahead, length - 1)] + d) * T.Size, Pair);
                var (a, b) = T.LoadPair(values, tokens[t] + d);
                a0 = Vector512.FusedMultiplyAdd(a, Vector512.Create(w0[t]), a0);
                b0 = Vector512.FusedMultiplyAdd(b, Vector512.Create(w0[t]), b0);
                a1 = Vector512.FusedMultiplyAdd(a, Vector512.Create(w1[t]), a1);
                b1 = Vector512.FusedMultiplyAdd(b, Vector512.Create(w1[t]), b1);
                a2 = Vector512.FusedMultiplyAdd(a, Vector512.Create(w2[t]), a2);
                b2 = Vector512.FusedMultiplyAdd(b, Vector512.Create(w2[t]), b2);
                a3 = Vector512.FusedMultiplyAdd(a, Vector512.Create(w3[t]), a3);
                b3 = Vector512.FusedMultiplyAdd(b, Vector512.Create(w3[t]), b3);
            }
            Store(queries[0].Output, scales[0], a0, b0, d);
            Store(queries[1].Output, scales[1], a1, b1, d);
            Store(queries[Math.Min(2, last)].Output, scales[Math.Min(2, last)], a2, b2, d);
            Store(queries[last].Output, scales[last], a3, b3, d);
        }
        for (var i = 0; i <= last && d < dim; i++)
        {
            Rest(queries[i].Output, scales[i], weights + (long)i * length, tokens, length, values, d, dim);
        }
    }

    private static void Rest(byte* output, float scale, float* weights, long* tokens, int length, byte* values, int d, int dim)
    {
        for (; d < dim; d++)
        {
            var y = 0f;
            for (var t = 0; t < length; t++)
            {
                y = MathF.FusedMultiplyAdd(T.LoadOne(values, tokens[t] + d), weights[t], y);
            }
            T.StoreOne(y * scale, output, d);
        }
    }

    private static void Store(byte* output, float scale, Vector512<float> first, Vector512<float> second, int d) => T.StorePair(first * scale, second * scale, output, d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at, int elements)
    {
        for (var offset = 0; Sse.IsSupported && offset < elements * T.Size; offset += 64)
        {
            Sse.Prefetch0(at + offset);
        }
    }
}
