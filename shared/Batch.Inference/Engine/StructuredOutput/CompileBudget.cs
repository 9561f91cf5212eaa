namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// Bounds what a constraint may cost to compile, by counting its states and the work on them, so that the same constraint is always taken or always
/// refused; the limits keep the hostile ones of ConstraintMemoryTests below 200 MB taken over all of it, and the largest that fuzzing found was 208 MB.
/// </summary>
internal sealed class CompileBudget(string where)
{
    public const int MostNfaStates = 200_000;
    public const int MostStates = 20_000;
    private const long MostWork = 6_000_000;

    private int _nfaStates;
    private int _states;
    private long _work;

    public void AddNfaState()
    {
        if (++_nfaStates > MostNfaStates)
        {
            throw TooLarge($"more than {MostNfaStates} positions once its repetitions are written out");
        }
        Work(1);
    }

    public void AddState()
    {
        if (++_states > MostStates)
        {
            throw TooLarge($"more than {MostStates} states as an automaton");
        }
    }

    public void Work(long amount)
    {
        _work += amount;
        if (_work > MostWork)
        {
            throw TooLarge("more steps to compile than are allowed");
        }
    }

    private ArgumentException TooLarge(string problem) =>
        StructuredOutputParams.Refused(where, $"it is too large: it needs {problem}; use smaller repetition counts, fewer alternatives or fewer nested wildcards");
}
