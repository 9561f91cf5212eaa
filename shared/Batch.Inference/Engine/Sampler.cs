using System.Collections.Concurrent;
using Batch.Inference.Kernels;

namespace Batch.Inference.Engine;

/// <summary>
/// Chooses the next tokens of a step's sequences, all rows in one call. A row's token depends on the row, its sequence and its noise alone, so rows are
/// shared out over threads where they are many.
/// </summary>
/// <param name="vocabularySize">Tokens that may be drawn: some models have more rows of embeddings than their tokenizer has tokens, and the rest is padding.</param>
internal sealed class Sampler(int vocabularySize)
{
    private const int WorthSharing = 100_000; // logits

    private readonly ConcurrentBag<RowSampler> _idle = [];

    /// <param name="logits">[rows, width]; overwritten.</param>
    /// <param name="width">The model's vocabulary, at least the tokenizer's.</param>
    /// <param name="sequences">Who wants a token.</param>
    /// <param name="rows">Which row each of them draws from; one after the other where not said.</param>
    /// <returns>A token for each sequence.</returns>
    public unsafe SampledToken[] Sample(Span<float> logits, int width, IReadOnlyList<Sequence> sequences, IReadOnlyList<int>? rows = null)
    {
        using var lap = StepClock.In(StepPhase.Sampling);
        var tokens = new SampledToken[sequences.Count];
        fixed (float* first = logits)
        {
            var start = first; // rows do not overlap, and all are done before the span may move
            void SampleAt(int i) => tokens[i] = SampleRow(new Span<float>(start + (long)(rows?[i] ?? i) * width, vocabularySize), sequences[i]);
            if ((long)sequences.Count * vocabularySize >= WorthSharing)
            {
                Workers.For(sequences.Count, SampleAt);
            }
            else
            {
                for (var i = 0; i < sequences.Count; i++)
                {
                    SampleAt(i);
                }
            }
        }
        return tokens;
    }

    private SampledToken SampleRow(Span<float> logits, Sequence sequence)
    {
        var sampler = _idle.TryTake(out var idle) ? idle : new RowSampler(vocabularySize);
        var token = sampler.Sample(logits, sequence);
        _idle.Add(sampler);
        return token;
    }
}
