namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// One constraint for one tokenizer, with the masks computed so far; shared by all texts under it, on any thread.
/// </summary>
internal sealed class CompiledConstraint(Grammar grammar, TokenVocabulary vocabulary)
{
    private readonly ConstraintAutomaton _automaton = new(grammar);
    private readonly Lock _lock = new();
    private TokenMask? _maskAfterStrip;

    public TokenVocabulary Vocabulary => vocabulary;

    public AutomatonState Start => _automaton.Start;

    /// <summary>The tokens that may follow.</summary>
    /// <param name="stripsSpace">The text starts here, and decoding takes a leading space away.</param>
    public TokenMask MaskOf(AutomatonState state, bool stripsSpace)
    {
        lock (_lock)
        {
            if (stripsSpace)
            {
                return _maskAfterStrip ??= ComputeStripped();
            }
            if (state.Mask is { } known)
            {
                return known;
            }
            var mask = new TokenMask(Compute(state));
            _automaton.Charge(mask.Bytes);
            return state.Mask = mask;
        }
    }

    /// <summary>The state after the bytes; null where they may not come.</summary>
    public AutomatonState? Follow(AutomatonState state, ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            foreach (var value in bytes)
            {
                state = _automaton.Step(state, value);
            }
        }
        return state == _automaton.Dead ? null : state;
    }

    private ulong[] Compute(AutomatonState state)
    {
        var bits = vocabulary.NewBits();
        if (state.SafeRun >= TokenVocabulary.SafeLength)
        {
            vocabulary.SafeBits.CopyTo(bits, 0);
        }
        else
        {
            vocabulary.Safe.Allow(_automaton, state, bits);
        }
        vocabulary.Others.Allow(_automaton, state, bits);
        if (state.Accepts)
        {
            foreach (var id in vocabulary.EndOfText)
            {
                bits[id >> 6] |= 1UL << id;
            }
        }
        return bits;
    }

    // A token that begins with a space counts without it.
    private TokenMask ComputeStripped()
    {
        var bits = Compute(Start);
        for (var id = 0; id < vocabulary.Size; id++)
        {
            if (vocabulary.IsText(id) && vocabulary.GetBytes(id) is [(byte)' ', .. var rest])
            {
                var state = Start;
                foreach (var value in rest)
                {
                    state = _automaton.Step(state, value);
                }
                bits[id >> 6] = bits[id >> 6] & ~(1UL << id) | (state == _automaton.Dead ? 0 : 1UL << id);
            }
        }
        return new TokenMask(bits);
    }
}
