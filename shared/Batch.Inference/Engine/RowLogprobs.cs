namespace Batch.Inference.Engine;

/// <summary>Log probabilities of a row of logits: logit minus the logarithm of the summed exponentials.</summary>
internal static class RowLogprobs
{
    /// <param name="logits">[vocabulary], finite or negative infinity.</param>
    /// <param name="id">The token that stands there; one beyond the row, which only a prompt may hold, has no probability.</param>
    /// <param name="top">How many of the most likely to list.</param>
    public static TokenLogprobs Of(ReadOnlySpan<float> logits, int id, int top)
    {
        var max = float.NegativeInfinity;
        foreach (var logit in logits)
        {
            max = Math.Max(max, logit);
        }
        var sum = 0.0;
        foreach (var logit in logits)
        {
            sum += Math.Exp(logit - max);
        }
        var normaliser = max + Math.Log(sum);
        var own = id < logits.Length ? logits[id] : float.NegativeInfinity;
        var rank = 1;
        foreach (var logit in logits)
        {
            rank += logit > own ? 1 : 0;
        }
        return new TokenLogprobs(id, (float)(own - normaliser), rank, Top(logits, top, normaliser));
    }

    private static TokenLogprob[] Top(ReadOnlySpan<float> logits, int count, double normaliser)
    {
        var best = new PriorityQueue<int, (float Logit, int Before)>(count + 1);
        for (var id = 0; id < logits.Length && count > 0; id++)
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
        var top = new TokenLogprob[best.Count];
        for (var i = top.Length - 1; i >= 0; i--)
        {
            var id = best.Dequeue();
            top[i] = new TokenLogprob(id, (float)(logits[id] - normaliser));
        }
        return top;
    }
}
