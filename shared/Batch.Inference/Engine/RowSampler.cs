namespace Batch.Inference.Engine;

/// <summary>
/// Chooses a token from one row of logits, in vLLM's order (vllm/v1/sample/sampler.py): the sequence's constraint, its processors, temperature, min_p, top_k, top_p, then one
/// draw by inverse transform from the noise of (seed, position). The vocabulary is never sorted whole: candidates are ordered in growing batches until they
/// suffice. One row at a time.
/// </summary>
internal sealed class RowSampler(int vocabularySize)
{
    private readonly float[] _keys = new float[vocabularySize];
    private readonly int[] _ids = new int[vocabularySize];

    /// <param name="logits">[vocabulary]; overwritten.</param>
    /// <param name="sequence">Whose row it is.</param>
    public SampledToken Sample(Span<float> logits, Sequence sequence)
    {
        var sampling = sequence.Sampling;
        var raw = sampling.Logprobs is null ? [] : logits.ToArray();
        var entropy = sequence.Interventions is { Rules.WantsEntropy: true } ? Entropy(logits) : 0;
        sequence.Constraint?.Mask(logits);
        foreach (var processor in sequence.Processors)
        {
            processor.Apply(logits, sequence);
        }
        var max = logits[0];
        foreach (var logit in logits)
        {
            max = float.IsNaN(max) ? max : float.IsNaN(logit) ? logit : Math.Max(max, logit);
        }
        if (float.IsNaN(max) || float.IsPositiveInfinity(max))
        {
            return SampledToken.NotFinite;
        }
        if (float.IsNegativeInfinity(max))
        {
            return SampledToken.NoneAllowed;
        }
        var id = sampling.Temperature == 0f ? ArgMax(logits) : Draw(logits, sampling, CounterRandom.Uniform(sequence.Seed, sequence.PromptTokens + sequence.Draws));
        return new SampledToken(id, sampling.Logprobs is { } top ? RowLogprobs.Of(raw, id, top) : null) { Entropy = entropy };
    }

    // Of the softmax, in nats: log(sum of e^z) less the mean of z, with z = logit - max.
    private static double Entropy(ReadOnlySpan<float> logits)
    {
        var max = float.NegativeInfinity;
        foreach (var logit in logits)
        {
            max = Math.Max(max, logit);
        }
        var (sum, weighted) = (0.0, 0.0);
        foreach (var logit in logits)
        {
            var weight = Math.Exp(logit - max);
            sum += weight;
            weighted += weight > 0 ? weight * (logit - max) : 0;
        }
        return Math.Log(sum) - weighted / sum;
    }

    // Of equal logits the first wins.
    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best])
            {
                best = i;
            }
        }
        return best;
    }

    internal int Draw(ReadOnlySpan<float> logits, SamplingParams sampling, double uniform)
    {
        var max = float.NegativeInfinity;
        foreach (var logit in logits)
        {
            max = Math.Max(max, logit);
        }
        // Candidates as unnormalised probabilities: 1 for the most likely.
        var count = 0;
        var mass = 0.0;
        for (var id = 0; id < logits.Length; id++)
        {
            var weight = MathF.Exp((logits[id] - max) / sampling.Temperature);
            if (weight >= sampling.MinP && weight > 0f)
            {
                (_keys[count], _ids[count]) = (-weight, id);
                mass += weight;
                count++;
            }
        }
        var kept = count;
        if (sampling.TopK > 0 && sampling.TopK < count)
        {
            kept = sampling.TopK;
            SortFirst(kept, 0, count);
            mass = 0;
            for (var i = 0; i < kept; i++)
            {
                mass -= _keys[i];
            }
        }
        if (sampling.TopP < 1f)
        {
            (kept, mass) = Nucleus(kept, sampling.TopP * mass, alreadySorted: kept < count);
        }
        return Pick(kept, uniform * mass);
    }

    // The fewest of the most likely candidates that together reach the mass.
    private (int Kept, double Mass) Nucleus(int count, double wanted, bool alreadySorted)
    {
        var reached = 0.0;
        var sorted = alreadySorted ? count : 0;
        for (var i = 0; i < count; i++)
        {
            if (i == sorted)
            {
                var next = Math.Min(count, Math.Max(64, sorted * 8));
                SortFirst(next - sorted, sorted, count);
                sorted = next;
            }
            reached -= _keys[i];
            if (reached >= wanted)
            {
                return (i + 1, reached);
            }
        }
        return (count, reached);
    }

    private int Pick(int count, double target)
    {
        for (var i = 0; i < count - 1; i++)
        {
            target += _keys[i];
            if (target < 0)
            {
                return _ids[i];
            }
        }
        return _ids[count - 1];
    }

    // Brings the n most likely of the candidates [start, end) to its front, in order; equals by id, so that the result is the same everywhere.
    private void SortFirst(int n, int start, int end)
    {
        var (left, right) = (start, end - 1);
        while (left < right)
        {
            var (pivotKey, pivotId) = (_keys[(left + right) / 2], _ids[(left + right) / 2]);
            var (i, j) = (left, right);
            while (i <= j)
            {
                while (Before(i, pivotKey, pivotId))
                {
                    i++;
                }
                while (After(j, pivotKey, pivotId))
                {
                    j--;
                }
                if (i <= j)
                {
                    (_keys[i], _keys[j], _ids[i], _ids[j]) = (_keys[j], _keys[i], _ids[j], _ids[i]);
                    i++;
                    j--;
                }
            }
            if (start + n <= j + 1)
            {
                right = j;
            }
            else if (start + n > i)
            {
                left = i;
            }
            else
            {
                break;
            }
        }
        Array.Sort(_keys, _ids, start, n);
        OrderEquals(start, start + n);
    }

    private bool Before(int i, float key, int id) => _keys[i] < key || (_keys[i] == key && _ids[i] < id);

    private bool After(int i, float key, int id) => _keys[i] > key || (_keys[i] == key && _ids[i] > id);

    private void OrderEquals(int start, int end)
    {
        for (var i = start; i < end;)
        {
            var j = i + 1;
            while (j < end && _keys[j] == _keys[i])
            {
                j++;
            }
            Array.Sort(_ids, i, j - i);
            i = j;
        }
    }
}
