namespace Batch.Inference.Engine;

/// <summary>Log probabilities of rows of logits: the logit minus the logarithm of the summed exponentials. One row at a time.</summary>
internal sealed class RowLogprobs(int vocabularySize)
{
    private readonly float[] _maxima = new float[RowKernels.Blocks(vocabularySize)];
    private readonly double[] _masses = new double[RowKernels.Blocks(vocabularySize)];
    private readonly float[] _weights = new float[RowKernels.Blocks(vocabularySize) * RowKernels.Block];

    /// <param name="logits">[vocabulary], finite or negative infinity.</param>
    /// <param name="id">The token that stands there; one beyond the row, which only a prompt may hold, has no probability.</param>
    /// <param name="top">How many of the most likely to list.</param>
    public TokenLogprobs Of(ReadOnlySpan<float> logits, int id, int top)
    {
        var max = RowKernels.BlockMaxima(logits, _maxima);
        var normaliser = max + Math.Log(RowKernels.Weights(logits, max, 1f, 0f, _weights, _masses));
        var own = id < logits.Length ? logits[id] : float.NegativeInfinity;
        return new TokenLogprobs(id, (float)(own - normaliser), 1 + RowKernels.CountAbove(logits, own), Top(logits, top, normaliser));
    }

    /// <summary>
    /// The tokens with which a beam search may go on, best first: the processors change the log probabilities, which are not brought to 1 again, as in
    /// transformers.
    /// </summary>
    /// <param name="logits">[vocabulary]; overwritten.</param>
    /// <param name="sequence">A beam.</param>
    public SampledToken Best(Span<float> logits, Sequence sequence)
    {
        var max = RowKernels.BlockMaxima(logits, _maxima);
        if (!float.IsFinite(max))
        {
            return SampledToken.NotFinite;
        }
        var normaliser = max + Math.Log(RowKernels.Weights(logits, max, 1f, 0f, _weights, _masses));
        foreach (ref var logit in logits)
        {
            logit = (float)(logit - normaliser);
        }
        foreach (var processor in sequence.Processors)
        {
            processor.Apply(logits, sequence);
        }
        RowKernels.BlockMaxima(logits, _maxima);
        var best = Array.FindAll(Top(logits, sequence.Request.BeamCandidates, 0), token => !float.IsNegativeInfinity(token.Logprob));
        return best.Length == 0
            ? new SampledToken(0, new TokenLogprobs(0, float.NegativeInfinity, 1, []))
            : new SampledToken(best[0].TokenId, new TokenLogprobs(best[0].TokenId, best[0].Logprob, 1, best));
    }

    private TokenLogprob[] Top(ReadOnlySpan<float> logits, int count, double normaliser)
    {
        var best = new PriorityQueue<int, (float Logit, int Before)>(count + 1); // the least of them first
        for (var block = 0; block < _maxima.Length && count > 0; block++)
        {
            if (best.Count == count && best.TryPeek(out _, out var least) && _maxima[block] <= least.Logit)
            {
                continue;
            }
            for (var id = block * RowKernels.Block; id < Math.Min(logits.Length, (block + 1) * RowKernels.Block); id++)
            {
                if (best.Count < count)
                {
                    best.Enqueue(id, (logits[id], -id));
                }
                else if (best.TryPeek(out _, out var worst) && logits[id] > worst.Logit)
                {
                    best.EnqueueDequeue(id, (logits[id], -id));
                }
            }
        }
        var top = new TokenLogprob[best.Count];
        for (var i = top.Length - 1; i >= 0; i--)
        {
            var id = best.Dequeue();
            top[i] = new TokenLogprob(id, (float)(logits[id] - normaliser));
        }
        return top;
    }
}
