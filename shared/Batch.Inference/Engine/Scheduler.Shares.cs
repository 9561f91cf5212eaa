namespace Batch.Inference.Engine;

// How much of a step each gets.
internal sealed partial class Scheduler
{
    private Sequence? _halved; // it got half of what was left in this step, so that those behind it get something

    // One that would take all that is left, for who knows how many steps, leaves half of it to those behind.
    private int Share(Sequence sequence)
    {
        if (sequence.PendingTokens <= _budget || _halved is not null)
        {
            return Math.Min(sequence.PendingTokens, _budget);
        }
        _halved = sequence;
        return (_budget + 1) / 2;
    }

    // What they did not need it gets after all.
    private void GiveRest()
    {
        if (_budget > 0 && _halved is { } sequence && _step.FindIndex(s => s.Sequence == sequence) is >= 0 and var at)
        {
            var tokens = Math.Min(sequence.PendingTokens, _step[at].Tokens + _budget);
            if (blocks.TryGrow(sequence.Blocks, sequence.ComputedTokens + tokens))
            {
                _budget -= tokens - _step[at].Tokens;
                _step[at] = new ScheduledSequence(sequence, tokens);
                blocks.Publish(sequence.Blocks, sequence.Tokens, sequence.ComputedTokens + tokens);
            }
        }
    }

    // Rows that a full house would decode and that are empty go to guesses, and blocks that nobody would miss in the next step. The fuller the step, the more
    // of its time is the rows' and not the reading of the weights, and the more guesses must come true.
    private void Guess()
    {
        var rows = _seats - (maxBatchedTokens - _budget);
        var worth = Math.Sqrt(1 - (double)rows / _seats);
        for (var i = 0; i < _step.Count && rows > 0; i++)
        {
            var (sequence, tokens, _) = _step[i];
            if (tokens != sequence.PendingTokens || sequence.Lookup is null)
            {
                continue;
            }
            var guess = sequence.Lookup.Guess(sequence.Tokens, rows, worth);
            var computed = sequence.ComputedTokens + tokens + guess.Length;
            if (guess.Length == 0 || blocks.BlocksFor(computed) - sequence.Blocks.Count + _running.Count > blocks.Free || !blocks.TryGrow(sequence.Blocks, computed))
            {
                continue;
            }
            _step[i] = new ScheduledSequence(sequence, tokens, guess);
            rows -= guess.Length;
        }
    }
}
