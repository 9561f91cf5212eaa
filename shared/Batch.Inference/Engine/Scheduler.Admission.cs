namespace Batch.Inference.Engine;

// Who of those that wait may start.
internal sealed partial class Scheduler
{
    /// <summary>How many steps smaller prompts may overtake one for which the cache has no room yet.</summary>
    internal const int MostOvertakenSteps = 256;

    // How many waiting sequences are looked at in a step when those before them find no room.
    private const int MostRefused = 16;

    private Sequence? _overtaken;
    private int _overtakenSteps;

    // A sequence starts only when the cache has room for its whole prompt, and for a block more for each who runs: otherwise somebody would soon be
    // preempted. It takes the place of others only where they are of a lower priority.
    private bool Admit(Sequence sequence)
    {
        var mayPreempt = _running.Count > 0 && _running[^1].Request.Priority < sequence.Request.Priority;
        if (mayPreempt ? !FitsInPlaceOfOthers(sequence) : _preempted || _running.Count == _seats)
        {
            return false;
        }
        var cached = sequence.ScoresPrompt ? 0 : blocks.Share(sequence.Blocks, sequence.Tokens);
        while (_running.Count == _seats || !HasRoom(sequence))
        {
            if (_running.Count == 0 || _running[^1].Request.Priority >= sequence.Request.Priority)
            {
                blocks.Release(sequence.Blocks);
                return false;
            }
            Preempt(_running[^1]);
        }
        _waiting.Remove(sequence);
        _running.Add(sequence);
        sequence.Admitted(cached);
        var tokens = Share(sequence);
        blocks.TryGrow(sequence.Blocks, sequence.ComputedTokens + tokens);
        Schedule(sequence, tokens, share: true);
        return true;
    }

    private bool HasRoom(Sequence sequence) => blocks.BlocksFor(sequence.Tokens.Count) - sequence.Blocks.Count + _running.Count <= blocks.Free || _running.Count == 0;

    // Whether preempting those of lower priority would make room; blocks that they share are not counted.
    private bool FitsInPlaceOfOthers(Sequence sequence)
    {
        var (free, ahead) = (blocks.Free, _running.Count);
        for (; ahead > 0 && _running[ahead - 1].Request.Priority < sequence.Request.Priority; ahead--)
        {
            foreach (var block in _running[ahead - 1].Blocks)
            {
                free += blocks.HoldersOf(block) == 1 ? 1 : 0;
            }
        }
        return blocks.BlocksFor(sequence.Tokens.Count) + ahead <= free || ahead == 0;
    }

    // The first of those who wait has no room yet: smaller ones behind it may go on, but not for ever.
    private bool MayOvertake(Sequence sequence, bool first)
    {
        if (_preempted || _running.Count == _seats)
        {
            return false;
        }
        if (first)
        {
            _overtakenSteps = sequence == _overtaken ? _overtakenSteps + 1 : 0;
            _overtaken = sequence;
        }
        return _overtakenSteps < MostOvertakenSteps;
    }
}
