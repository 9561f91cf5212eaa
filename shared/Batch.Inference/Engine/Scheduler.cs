namespace Batch.Inference.Engine;

/// <summary>A sequence's share of one step: its next tokens are computed, and those that are guessed to follow.</summary>
/// <param name="Tokens">How many of its own.</param>
/// <param name="Guess">What may come after its last token; only where all its tokens are computed by the step's end.</param>
internal readonly record struct ScheduledSequence(Sequence Sequence, int Tokens, ReadOnlyMemory<int> Guess = default)
{
    public int Rows => Tokens + Guess.Length;
}

/// <summary>
/// Decides, step after step, whose tokens are computed. There is no prefill phase and no decode phase: every sequence has tokens that are not computed
/// yet and catches up under one token budget. One order, priority and then arrival, holds for admission, for service and, backwards, for preemption.
/// A full cache takes the blocks of the last in line, who starts over later (recomputation); the first in line always advances, so all end.
/// Knows numbers only, no tensors; the engine thread owns it.
/// </summary>
internal sealed partial class Scheduler(int maxSequences, int maxBatchedTokens, BlockPool blocks)
{
    // So few that computing them costs a step little more than one.
    private const int FewTokens = 32;

    private readonly SequenceLine _waiting = new();
    private readonly SequenceLine _running = new();
    private readonly List<ScheduledSequence> _step = [];

    // Everyone who runs gets a token in every step.
    private readonly int _seats = Math.Min(maxSequences, maxBatchedTokens);
    private int _budget;
    private bool _preempted; // in this step
    private bool _urgentAlone; // the step is for urgent prompts alone

    /// <summary>Most sequences that run at once.</summary>
    public int Seats => _seats;

    public int Running => _running.Count;

    public int Waiting => _waiting.Count;

    /// <summary>Sequences that lost their blocks and started over, since the start.</summary>
    public long Preemptions { get; private set; }

    public void Add(Sequence sequence) => _waiting.Add(sequence);

    /// <summary>The next step, in rows' order; empty when there is nothing to do. Valid until the next call.</summary>
    public IReadOnlyList<ScheduledSequence> Schedule()
    {
        // The first token of an urgent text does not wait for the rows of others; nor do these wait for more than one step.
        _urgentAlone = !_urgentAlone && HasUrgentPrompt();
        Fill(_urgentAlone ? GenerationRequest.Urgent : int.MinValue);
        if (_urgentAlone && _step.Count == 0)
        {
            Fill(int.MinValue); // there is no room for it yet
        }
        GiveRest();
        Guess();
        return _step;
    }

    /// <summary>After the step: its tokens are in the cache.</summary>
    public void Computed(ScheduledSequence scheduled)
    {
        var sequence = scheduled.Sequence;
        sequence.ComputedTokens += scheduled.Tokens;
        blocks.Publish(sequence.Blocks, sequence.Tokens, sequence.ComputedTokens);
    }

    /// <summary>The sequence's last token is as it was guessed: it is in the cache already.</summary>
    public void Confirmed(Sequence sequence)
    {
        sequence.ComputedTokens++;
        blocks.Publish(sequence.Blocks, sequence.Tokens, sequence.ComputedTokens);
    }

    /// <summary>After a step that failed: what it should have computed is in nobody's cache, so everyone inside starts over.</summary>
    public void Failed()
    {
        while (_running.Count > 0)
        {
            Preempt(_running[^1]);
        }
        blocks.Forget();
    }

    /// <summary>After a step for which memory did not suffice: takes the last in line out; the others start over.</summary>
    public Sequence Shed()
    {
        var last = _running[^1];
        Failed();
        Remove(last);
        return last;
    }

    /// <summary>Takes the sequence back to its first <paramref name="tokens"/> tokens, at least 1, between two steps; the last of them is computed again.</summary>
    public void Truncate(Sequence sequence, int tokens)
    {
        sequence.Tokens.RemoveRange(tokens, sequence.Tokens.Count - tokens);
        if (sequence.ComputedTokens >= tokens)
        {
            sequence.ComputedTokens = blocks.Truncate(sequence.Blocks, tokens - 1);
        }
    }

    /// <summary>Takes the sequence out, wherever it is, and frees its blocks.</summary>
    public void Remove(Sequence sequence)
    {
        _waiting.Remove(sequence);
        _running.Remove(sequence);
        blocks.Release(sequence.Blocks);
    }

    /// <summary>One whose caller has cancelled it, or null.</summary>
    public Sequence? FindCancelled() => _running.FindCancelled() ?? _waiting.FindCancelled();

    /// <summary>Everyone inside, in line.</summary>
    public IReadOnlyList<Sequence> All() => [.. _running, .. _waiting];

    private bool HasUrgentPrompt()
    {
        for (var i = 0; i < _running.Count && _running[i].Request.Priority == GenerationRequest.Urgent; i++)
        {
            if (_running[i].PendingTokens > 1)
            {
                return true;
            }
        }
        return _waiting.Count > 0 && _waiting[0].Request.Priority == GenerationRequest.Urgent;
    }

    // The step, of sequences of at least that priority.
    private void Fill(int least)
    {
        _step.Clear();
        (_budget, _preempted, _halved) = (maxBatchedTokens, false, null);
        // Those who decode come first: a long prompt never stalls them.
        for (var i = 0; i < _running.Count && _running[i].Request.Priority >= least; i++)
        {
            if (_running[i].PendingTokens == 1)
            {
                Serve(_running[i]);
            }
        }
        // And those who have a few tokens more to catch up, since a text was injected into theirs or taken back: they decode, too.
        for (var i = 0; i < _running.Count && _running[i].Request.Priority >= least && _budget > 0; i++)
        {
            if (_running[i].PendingTokens is > 1 and <= FewTokens)
            {
                Serve(_running[i]);
            }
        }
        // Then, in line, those who have more to catch up and those who wait.
        var (running, waiting, refused) = (0, 0, 0);
        while (_budget > 0 && (running < _running.Count || waiting < _waiting.Count))
        {
            var isRunning = waiting == _waiting.Count || (running < _running.Count && SequenceLine.Order.Compare(_running[running], _waiting[waiting]) < 0);
            var sequence = isRunning ? _running[running] : _waiting[waiting];
            if (sequence.Request.Priority < least)
            {
                return;
            }
            if (isRunning)
            {
                running++;
                if (sequence.PendingTokens > FewTokens)
                {
                    Serve(sequence, share: true);
                }
            }
            else if (Admit(sequence))
            {
                running++; // it was put there
            }
            else
            {
                waiting = ++refused < MostRefused && MayOvertake(sequence, first: waiting == 0) ? waiting + 1 : _waiting.Count;
            }
        }
    }

    private void Serve(Sequence sequence, bool share = false)
    {
        var tokens = Share(sequence);
        while (tokens > 0 && !blocks.TryGrow(sequence.Blocks, sequence.ComputedTokens + tokens))
        {
            var last = _running[^1];
            Preempt(last);
            if (last == sequence)
            {
                return;
            }
        }
        Schedule(sequence, tokens, share);
    }

    private void Schedule(Sequence sequence, int tokens, bool share)
    {
        if (tokens == 0)
        {
            return;
        }
        _step.Add(new ScheduledSequence(sequence, tokens));
        _budget -= tokens;
        if (share)
        {
            // Already now, so that those behind in line share it within the step: a layer writes all keys and values before any row reads them.
            // What is published will be computed: only who is still further behind can be preempted. Those who decode are served out of line, and may be.
            blocks.Publish(sequence.Blocks, sequence.Tokens, sequence.ComputedTokens + tokens);
        }
    }

    private void Preempt(Sequence sequence)
    {
        var at = _step.FindIndex(s => s.Sequence == sequence);
        if (at >= 0)
        {
            _budget += _step[at].Tokens;
            _step.RemoveAt(at);
        }
        blocks.Release(sequence.Blocks);
        sequence.ComputedTokens = 0;
        _running.Remove(sequence);
        _waiting.Add(sequence);
        _preempted = true;
        Preemptions++;
    }
}
