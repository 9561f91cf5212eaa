using Batch.Inference.Kernels;
using Batch.Inference.Layers;
using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>Takes the logits after a token of a prompt that is followed by another.</summary>
/// <param name="sequence">Whose prompt it is.</param>
/// <param name="position">Of the token in the prompt.</param>
/// <param name="logits">[vocabulary]</param>
internal delegate void PromptLogits(Sequence sequence, int position, ReadOnlySpan<float> logits);

/// <summary>Runs one step of the schedule through the model. Owns model and cache; the engine thread alone calls it.</summary>
internal sealed class ModelRunner(CausalLM model, KvCache cache, int blockSize, Device device) : IDisposable
{
    private const int PromptChunk = 32; // rows of logits on the host at once

    private readonly int _rowGroup = Devices.RowGroup(device, cache.Keys[0].dtype);
    private float[] _logits = [];

    public CausalLM Model => model;

    public KvCache Cache => cache;

    /// <summary>Computes the scheduled tokens.</summary>
    /// <param name="step">Whose tokens.</param>
    /// <param name="prompt">Gets the logits of the prompts of sequences that want <see cref="Sequence.PromptLogprobs"/>, each position once.</param>
    /// <returns>
    /// [rows, vocabulary] float32 on the host; for each sequence that has no pending tokens after the step, in the step's order, a row after its last token and one after
    /// each guessed token. Valid until the next call.
    /// </returns>
    public Span<float> Run(IReadOnlyList<ScheduledSequence> step, PromptLogits? prompt = null)
    {
        using var lap = StepClock.In(StepPhase.Model);
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        var rows = (step.Sum(s => s.Rows) + _rowGroup - 1) / _rowGroup * _rowGroup;
        var (ids, positions, slots) = (new long[rows], new long[rows], new long[rows]);
        var spans = new List<AttentionSpan>(step.Count);
        var last = new List<long>(step.Count);
        var row = 0;
        foreach (var scheduled in step)
        {
            var (sequence, count, guess) = scheduled;
            spans.Add(new AttentionSpan(row, scheduled.Rows, Slots(sequence, sequence.ComputedTokens + scheduled.Rows)));
            for (var i = 0; i < scheduled.Rows; i++, row++)
            {
                var position = sequence.ComputedTokens + i;
                (ids[row], positions[row], slots[row]) = (i < count ? sequence.Tokens[position] : guess.Span[i - count], position, Slot(sequence, position));
                if (position >= sequence.Tokens.Count - 1)
                {
                    last.Add(row);
                }
            }
        }
        for (; row < rows; row++)
        {
            slots[row] = cache.ScratchSlot;
        }
        // Before the model runs: a copy to the device waits for what the device has to do by then.
        var wanted = last.Count == 0 ? null : Index(last);
        var hidden = model.Forward(tensor(ids, device: device), tensor(positions, device: device), new PagedAttention(cache, slots, spans));
        if (prompt is not null)
        {
            ScorePrompts(step, hidden, prompt);
        }
        return wanted is null ? [] : CopyOut(Logits(hidden, wanted, last.Count));
    }

    private void ScorePrompts(IReadOnlyList<ScheduledSequence> step, Tensor hidden, PromptLogits prompt)
    {
        var start = 0;
        foreach (var scheduled in step)
        {
            var (sequence, count, _) = scheduled;
            // A sequence that starts over has the first of them already; the last token's row is the text's.
            var from = sequence.PromptLogprobs is { } known ? Math.Max(known.Count, sequence.ComputedTokens) : int.MaxValue;
            var to = Math.Min(sequence.PromptTokens - 1, sequence.ComputedTokens + count);
            for (var position = from; position < to; position += PromptChunk)
            {
                using var scope = NewDisposeScope();
                var rows = Enumerable.Range(position, Math.Min(PromptChunk, to - position)).Select(p => (long)(start + p - sequence.ComputedTokens)).ToList();
                using var logits = Logits(hidden, Index(rows), rows.Count).to(ScalarType.Float32);
                for (var row = 0; row < rows.Count; row++)
                {
                    prompt(sequence, position + row, RowOf(logits, row, model.VocabularySize));
                }
            }
            start += scheduled.Rows;
        }
    }

    private static unsafe ReadOnlySpan<float> RowOf(Tensor logits, int row, int width) =>
        new((float*)logits.Pointer() + (long)row * width, width);

    // Filled up here, too, with the last row again.
    private Tensor Index(List<long> rows)
    {
        var padded = new long[(rows.Count + _rowGroup - 1) / _rowGroup * _rowGroup];
        padded.AsSpan().Fill(rows[^1]);
        rows.CopyTo(padded);
        return tensor(padded, device: device);
    }

    // On the host, in the model's dtype.
    private Tensor Logits(Tensor hidden, Tensor rows, int count) => model.Head(hidden.index_select(0, rows)).narrow(0, 0, count).cpu().contiguous();

    public void Dispose()
    {
        model.Dispose();
        cache.Dispose();
    }

    private long[] Slots(Sequence sequence, int context)
    {
        var slots = new long[context];
        for (var position = 0; position < context; position++)
        {
            slots[position] = Slot(sequence, position);
        }
        return slots;
    }

    private long Slot(Sequence sequence, int position) => (long)sequence.Blocks[position / blockSize] * blockSize + position % blockSize;

    private Span<float> CopyOut(Tensor logits)
    {
        var length = (int)logits.numel();
        if (_logits.Length < length)
        {
            _logits = new float[length];
        }
        LogitKernel.Widen(logits, _logits);
        return _logits.AsSpan(0, length);
    }
}
