using Batch.Inference.Layers;
using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>Runs one step of the schedule through the model. Owns model and cache; the engine thread alone calls it.</summary>
internal sealed class ModelRunner(CausalLM model, KvCache cache, int blockSize, Device device) : IDisposable
{
    private readonly int _rowGroup = Devices.RowGroup(device, cache.Keys[0].dtype);
    private float[] _logits = [];

    public CausalLM Model => model;

    /// <summary>Computes the scheduled tokens.</summary>
    /// <returns>[rows, vocabulary] float32 on the host, a row for each sequence that has no pending tokens after the step, in the step's order; valid until the next call.</returns>
    public Span<float> Run(IReadOnlyList<ScheduledSequence> step)
    {
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        var rows = (step.Sum(s => s.Tokens) + _rowGroup - 1) / _rowGroup * _rowGroup;
        var (ids, positions, slots) = (new long[rows], new long[rows], new long[rows]);
        var spans = new List<AttentionSpan>(step.Count);
        var last = new List<long>(step.Count);
        var row = 0;
        foreach (var (sequence, count) in step)
        {
            spans.Add(new AttentionSpan(row, count, Slots(sequence, sequence.ComputedTokens + count)));
            for (var i = 0; i < count; i++, row++)
            {
                var position = sequence.ComputedTokens + i;
                (ids[row], positions[row], slots[row]) = (sequence.Tokens[position], position, Slot(sequence, position));
            }
            if (count == sequence.PendingTokens)
            {
                last.Add(row - 1);
            }
        }
        for (; row < rows; row++)
        {
            slots[row] = cache.ScratchSlot;
        }
        var hidden = model.Forward(tensor(ids, device: device), tensor(positions, device: device), new PagedAttention(cache, slots, spans));
        if (last.Count == 0)
        {
            return [];
        }
        return CopyOut(Logits(hidden, last));
    }

    // The rows are filled up here, too, with the last one again.
    private Tensor Logits(Tensor hidden, List<long> last)
    {
        var rows = last.Count;
        while (last.Count % _rowGroup != 0)
        {
            last.Add(last[^1]);
        }
        return model.Head(hidden.index_select(0, tensor(last.ToArray(), device: device))).narrow(0, 0, rows).to(ScalarType.Float32).cpu().contiguous();
    }

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
        logits.data<float>().CopyTo(_logits);
        return _logits.AsSpan(0, length);
    }
}
