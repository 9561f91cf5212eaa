namespace Batch.Inference.Engine;

/// <summary>
/// Tokens with their weights, unnormalised probabilities from 1 down, that top_k, top_p and typical_p choose from. Each is one number whose order is that of
/// the weights, heaviest first, of equals the lower id. Few are sorted; many are counted into buckets by weight, and only the buckets in which a border or
/// the drawn token lies are sorted.
/// </summary>
internal sealed class Candidates(int capacity)
{
    private const int Few = 2048;
    private const int Buckets = 4096; // 128 for each halving of the weight; what is below 2^-32 shares the last
    private const uint One = 0x3F800000; // the bits of 1

    private readonly ulong[] _keys = new ulong[capacity];
    private readonly int[] _counts = new int[Buckets];
    private readonly double[] _masses = new double[Buckets];
    private ulong[] _bucket = new ulong[256];
    private int _count;

    public void Clear() => _count = 0;

    /// <summary>In the order of the ids.</summary>
    /// <param name="id">Of the token.</param>
    /// <param name="weight">Above 0, at most 1.</param>
    public void Add(int id, float weight) => _keys[_count++] = (ulong)(One - BitConverter.SingleToUInt32Bits(weight)) << 32 | (uint)id;

    /// <summary>Draws one by inverse transform, from those that the parameters keep.</summary>
    /// <param name="sampling">top_k, top_p, typical_p.</param>
    /// <param name="total">The weight of all tokens, those included that are no candidates since top_p drops them.</param>
    /// <param name="uniform">In [0, 1).</param>
    public int Draw(SamplingParams sampling, double total, double uniform)
    {
        var cut = sampling.TopK > 0 && sampling.TopK < _count;
        if (!cut && sampling.TopP >= 1f && sampling.TypicalP >= 1f)
        {
            return Pick(_keys.AsSpan(0, _count), uniform * Mass(_keys.AsSpan(0, _count)));
        }
        var topK = cut ? sampling.TopK : int.MaxValue;
        return _count <= Few || sampling.TypicalP < 1f
            ? DrawSorted(topK, sampling.TopP, sampling.TypicalP, total, uniform)
            : DrawFromBuckets(topK, sampling.TopP, total, uniform);
    }

    private static float Weight(ulong key) => BitConverter.UInt32BitsToSingle(One - (uint)(key >> 32));

    private static int BucketOf(ulong key) => Math.Min((int)(key >> 48), Buckets - 1);

    private int DrawSorted(int topK, float topP, float typicalP, double total, double uniform)
    {
        var kept = _keys.AsSpan(0, _count);
        kept.Sort();
        if (topK < kept.Length)
        {
            kept = kept[..topK];
            total = Mass(kept);
        }
        if (topP < 1f)
        {
            var (count, reached) = (0, 0.0);
            while (count < kept.Length && reached < topP * total)
            {
                reached += Weight(kept[count++]);
            }
            kept = kept[..count];
            total = reached;
        }
        if (typicalP < 1f)
        {
            kept = Typical(kept, typicalP);
            total = Mass(kept);
        }
        return Pick(kept, uniform * total);
    }

    // The fewest tokens nearest to the entropy in surprise that reach the share, with all that are as near as the last.
    private static Span<ulong> Typical(Span<ulong> kept, double share)
    {
        var total = Mass(kept);
        var surprise = new double[kept.Length];
        var entropy = 0.0;
        for (var i = 0; i < kept.Length; i++)
        {
            var weight = Weight(kept[i]);
            surprise[i] = Math.Log(total) - Math.Log(weight);
            entropy += weight / total * surprise[i];
        }
        var distance = surprise.Select(s => Math.Abs(s - entropy)).ToArray();
        var nearest = kept.ToArray();
        Array.Sort((double[])distance.Clone(), nearest);
        var (last, reached) = (0, 0.0);
        while ((reached += Weight(nearest[last])) < share * total && last < nearest.Length - 1)
        {
            last++;
        }
        var border = distance[kept.IndexOf(nearest[last])];
        var count = 0;
        for (var i = 0; i < kept.Length; i++)
        {
            if (distance[i] <= border)
            {
                kept[count++] = kept[i];
            }
        }
        return kept[..count];
    }

    private int DrawFromBuckets(int topK, float topP, double total, double uniform)
    {
        Array.Clear(_counts);
        Array.Clear(_masses);
        foreach (var key in _keys.AsSpan(0, _count))
        {
            var bucket = BucketOf(key);
            _counts[bucket]++;
            _masses[bucket] += Weight(key);
        }
        total = topK < _count ? Walk(topK, double.PositiveInfinity).Mass : total;
        total = topP < 1f ? Walk(int.MaxValue, topP * total).Mass : total;
        return (int)(uint)Walk(int.MaxValue, Math.BitIncrement(uniform * total)).Key;
    }

    // The candidate, heaviest first, with which so many or so much is reached, and what they weigh up to it.
    private (ulong Key, double Mass) Walk(int count, double mass)
    {
        var (seen, reached, last) = (0, 0.0, 0UL);
        for (var bucket = 0; bucket < Buckets; bucket++)
        {
            if (_counts[bucket] == 0 || (seen + _counts[bucket] < count && reached + _masses[bucket] < mass))
            {
                seen += _counts[bucket];
                reached += _masses[bucket];
                continue;
            }
            foreach (var key in Sorted(bucket))
            {
                last = key;
                seen++;
                reached += Weight(key);
                if (seen >= count || reached >= mass)
                {
                    return (key, reached);
                }
            }
        }
        return (last, reached);
    }

    private Span<ulong> Sorted(int bucket)
    {
        if (_bucket.Length < _counts[bucket])
        {
            _bucket = new ulong[_keys.Length];
        }
        var (found, sorted) = (0, true);
        foreach (var key in _keys.AsSpan(0, _count))
        {
            if (BucketOf(key) == bucket)
            {
                sorted &= found == 0 || _bucket[found - 1] < key;
                _bucket[found++] = key;
            }
        }
        var keys = _bucket.AsSpan(0, found);
        if (!sorted)
        {
            keys.Sort();
        }
        return keys;
    }

    private static double Mass(ReadOnlySpan<ulong> keys)
    {
        var mass = 0.0;
        foreach (var key in keys)
        {
            mass += Weight(key);
        }
        return mass;
    }

    private static int Pick(ReadOnlySpan<ulong> keys, double target)
    {
        foreach (var key in keys[..^1])
        {
            target -= Weight(key);
            if (target < 0)
            {
                return (int)(uint)key;
            }
        }
        return (int)(uint)keys[^1];
    }
}
