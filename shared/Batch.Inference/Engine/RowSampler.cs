namespace Batch.Inference.Engine;

/// <summary>
/// Chooses a token from one row of logits, in vLLM's order (vllm/v1/sample/sampler.py): the sequence's constraint, its processors, temperature, min_p, top_k, top_p, then
/// typical_p and one draw by inverse transform from the noise of (seed, position). The vocabulary is never sorted: blocks whose largest logit cannot matter
/// are passed over, and what is left is few or counted into buckets (<see cref="Candidates"/>). One row at a time.
/// </summary>
internal sealed class RowSampler(int vocabularySize)
{
    private readonly float[] _maxima = new float[RowKernels.Blocks(vocabularySize)];
    private readonly float[] _scratch = new float[RowKernels.Blocks(vocabularySize)];
    private readonly double[] _masses = new double[RowKernels.Blocks(vocabularySize)];
    private readonly float[] _weights = new float[RowKernels.Blocks(vocabularySize) * RowKernels.Block];
    private readonly int[] _ids = new int[vocabularySize];
    private readonly Candidates _candidates = new(vocabularySize);
    private readonly RowLogprobs _logprobs = new(vocabularySize);
    private float[] _raw = [];

    /// <param name="logits">[vocabulary]; overwritten.</param>
    /// <param name="sequence">Whose row it is.</param>
    public SampledToken Sample(Span<float> logits, Sequence sequence)
    {
        var sampling = sequence.Sampling;
        if (sequence.Request.BeamCandidates > 0)
        {
            return _logprobs.Best(logits, sequence);
        }
        if (sampling.Logprobs is not null)
        {
            _raw = _raw.Length == 0 ? new float[vocabularySize] : _raw;
            logits.CopyTo(_raw);
        }
        var entropy = sequence.Interventions is { Rules.WantsEntropy: true } ? Entropy(logits) : 0;
        sequence.Constraint?.Mask(logits);
        foreach (var processor in sequence.Processors)
        {
            processor.Apply(logits, sequence);
        }
        var max = RowKernels.BlockMaxima(logits, _maxima);
        if (!float.IsFinite(max))
        {
            return float.IsNegativeInfinity(max) ? SampledToken.NoneAllowed : SampledToken.NotFinite;
        }
        var id = sampling.Temperature == 0f
            ? RowKernels.IndexOf(logits, _maxima, max)
            : Draw(logits, max, sampling, CounterRandom.Uniform(sequence.Seed, sequence.PromptTokens + sequence.Draws));
        return new SampledToken(id, sampling.Logprobs is { } top ? _logprobs.Of(_raw, id, top) : null) { Entropy = entropy };
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

    internal int Draw(ReadOnlySpan<float> logits, SamplingParams sampling, double uniform) =>
        Draw(logits, RowKernels.BlockMaxima(logits, _maxima), sampling, uniform);

    private int Draw(ReadOnlySpan<float> logits, float max, SamplingParams sampling, double uniform)
    {
        _candidates.Clear();
        if (sampling.TopK > 0 && sampling.TopK < _maxima.Length)
        {
            return _candidates.Draw(sampling, CollectTop(logits, max, sampling), uniform);
        }
        var total = RowKernels.Weights(logits, max, sampling.Temperature, sampling.MinP, _weights, _masses);
        if (sampling is { TopK: <= 0, TopP: >= 1f, TypicalP: >= 1f })
        {
            return PickInOrder(logits.Length, uniform * total);
        }
        // All tokens below this together weigh less than what top_p leaves out.
        var least = sampling.TopK > 0 ? 0.0 : (1.0 - sampling.TopP) * total / logits.Length * 0.999;
        Collect(logits.Length, (float)least);
        return _candidates.Draw(sampling, total, uniform);
    }

    // The k + 1 largest maxima of blocks are k + 1 logits, so whatever is below the least of them is not among the top k, nor the first after them.
    // Gives what the candidates weigh.
    private double CollectTop(ReadOnlySpan<float> logits, float max, SamplingParams sampling)
    {
        _maxima.CopyTo(_scratch, 0);
        var next = RowKernels.KthLargest(_scratch, sampling.TopK + 1);
        var floor = next - 1e-6f * (max - next + Math.Max(1f, sampling.Temperature)); // logits so near may have one weight
        var count = 0;
        for (var block = 0; block < _maxima.Length; block++)
        {
            if (_maxima[block] < floor)
            {
                continue;
            }
            var end = Math.Min(logits.Length, (block + 1) * RowKernels.Block);
            for (var id = block * RowKernels.Block; id < end; id++)
            {
                if (logits[id] >= floor)
                {
                    (_weights[count], _ids[count]) = (logits[id], id);
                    count++;
                }
            }
        }
        var total = RowKernels.Weights(_weights.AsSpan(0, count), max, sampling.Temperature, sampling.MinP, _weights, _masses);
        for (var i = 0; i < count; i++)
        {
            if (_weights[i] > 0f)
            {
                _candidates.Add(_ids[i], _weights[i]);
            }
        }
        return total;
    }

    private void Collect(int length, float least)
    {
        for (var block = 0; block < _masses.Length; block++)
        {
            if (_masses[block] < least || _masses[block] == 0)
            {
                continue;
            }
            var end = Math.Min(length, (block + 1) * RowKernels.Block);
            for (var id = block * RowKernels.Block; id < end; id++)
            {
                if (_weights[id] >= least && _weights[id] > 0f)
                {
                    _candidates.Add(id, _weights[id]);
                }
            }
        }
    }

    // Block by block, then token by token; the last of all stands in for what rounding leaves.
    private int PickInOrder(int length, double target)
    {
        var block = 0;
        var last = Array.FindLastIndex(_masses, mass => mass > 0);
        while (block < last && target >= _masses[block])
        {
            target -= _masses[block++];
        }
        var drawn = -1;
        for (var id = block * RowKernels.Block; id < Math.Min(length, (block + 1) * RowKernels.Block) && target >= 0; id++)
        {
            if (_weights[id] > 0f)
            {
                (drawn, target) = (id, target - _weights[id]);
            }
        }
        return drawn;
    }
}
