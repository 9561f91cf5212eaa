namespace Batch.Inference.Engine;

/// <summary>A sequence's share of one step: its next <paramref name="Tokens"/> tokens are computed.</summary>
internal readonly record struct ScheduledSequence(Sequence Sequence, int Tokens);

/// <summary>
/// Decides, step after step, whose tokens are computed. There is no prefill phase and no decode phase: every sequence has tokens that are not computed
/// yet and catches up under one token budget. Sequences join and leave between steps. A full cache takes the blocks of the last in line, who starts
/// over later (recomputation); the first in line always advances, so all end. Knows numbers only, no tensors; the engine thread owns it.
/// </summary>
internal sealed class Scheduler(int maxSequences, int maxBatchedTokens, BlockPool blocks)
{
    // Highest priority first, then order of arrival: the one order for admission, for service and, backwards, for preemption.
    private static readonly Comparer<Sequence> InLine = Comparer<Sequence>.Create((a, b) =>
        a.Request.Priority != b.Request.Priority ? b.Request.Priority.CompareTo(a.Request.Priority) : a.Arrival.CompareTo(b.Arrival));

    private readonly SortedSet<Sequence> _waiting = new(InLine);
    private readonly SortedSet<Sequence> _running = new(InLine);
    private readonly List<ScheduledSequence> _step = [];

    public int Running => _running.Count;

    public int Waiting => _waiting.Count;

    /// <summary>Sequences that lost their blocks and started over, since the start.</summary>
    public long Preemptions { get; private set; }

    public void Add(Sequence sequence) => _waiting.Add(sequence);

    /// <summary>The next step, in rows' order; empty when there is nothing to do. Valid until the next call.</summary>
    public IReadOnlyList<ScheduledSequence> Schedule()
    {
        _step.Clear();
        var budget = maxBatchedTokens;
        // Those who decode come first: a long prompt never stalls them.
        foreach (var sequence in _running.Where(s => s.PendingTokens == 1).ToList())
        {
            TrySchedule(sequence, ref budget);
        }
        foreach (var sequence in _running.Where(s => s.PendingTokens > 1).ToList())
        {
            TrySchedule(sequence, ref budget);
        }
        while (budget > 0 && _running.Count < maxSequences && _waiting.Min is { } next && Admit(next, ref budget))
        {
        }
        return _step;
    }

    /// <summary>After the step: its tokens are in the cache.</summary>
    public static void Computed(ScheduledSequence scheduled) => scheduled.Sequence.ComputedTokens += scheduled.Tokens;

    /// <summary>Takes the sequence out, wherever it is, and frees its blocks.</summary>
    public void Remove(Sequence sequence)
    {
        _waiting.Remove(sequence);
        _running.Remove(sequence);
        blocks.Release(sequence.Blocks);
    }

    /// <summary>Everyone inside, in line.</summary>
    public IReadOnlyList<Sequence> All() => [.. _running, .. _waiting];

    private bool Admit(Sequence sequence, ref int budget)
    {
        // A new sequence preempts nobody, and starts only when the cache has room for its whole prompt: otherwise it would soon be preempted itself.
        var tokens = Math.Min(sequence.PendingTokens, budget);
        if (blocks.Free * blocks.BlockSize < sequence.Tokens.Count || !blocks.TryGrow(sequence.Blocks, tokens))
        {
            return false;
        }
        _waiting.Remove(sequence);
        _running.Add(sequence);
        _step.Add(new ScheduledSequence(sequence, tokens));
        budget -= tokens;
        return true;
    }

    private void TrySchedule(Sequence sequence, ref int budget)
    {
        var tokens = Math.Min(sequence.PendingTokens, budget);
        if (tokens == 0 || !_running.Contains(sequence))
        {
            return; // no budget left, or preempted for another a moment ago
        }
        while (!blocks.TryGrow(sequence.Blocks, sequence.ComputedTokens + tokens))
        {
            var last = _running.Max!;
            Preempt(last, ref budget);
            if (last == sequence)
            {
                return;
            }
        }
        _step.Add(new ScheduledSequence(sequence, tokens));
        budget -= tokens;
    }

    private void Preempt(Sequence sequence, ref int budget)
    {
        var at = _step.FindIndex(s => s.Sequence == sequence);
        if (at >= 0)
        {
            budget += _step[at].Tokens;
            _step.RemoveAt(at);
        }
        blocks.Release(sequence.Blocks);
        sequence.ComputedTokens = 0;
        _running.Remove(sequence);
        _waiting.Add(sequence);
        Preemptions++;
    }
}
