namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>Thompson's automaton of an expression: states with edges for byte ranges, for calls of rules, and for nothing.</summary>
/// <param name="alphabet">Characters outside are left out: the tokenizer cannot write them.</param>
internal sealed class Nfa(CharacterSet alphabet, CompileBudget budget)
{
    public List<List<(byte First, byte Last, int To)>> Bytes { get; } = [];

    public List<List<(int Rule, int To)>> Calls { get; } = [];

    public List<List<int>> Empty { get; } = [];

    /// <summary>Adds the expression between two new states.</summary>
    public (int Start, int End) Add(Expression expression)
    {
        var (start, end) = (NewState(), NewState());
        Connect(expression, start, end);
        return (start, end);
    }

    private int NewState()
    {
        budget.AddNfaState();
        Bytes.Add([]);
        Calls.Add([]);
        Empty.Add([]);
        return Bytes.Count - 1;
    }

    private void Connect(Expression expression, int from, int to)
    {
        budget.Work(1);
        switch (expression)
        {
            case Expression.Characters characters:
                ConnectCharacters(ReferenceEquals(alphabet, CharacterSet.All) ? characters.Set : characters.Set.And(alphabet), from, to);
                break;
            case Expression.Bytes bytes:
                Bytes[from].Add((bytes.First, bytes.Last, to));
                break;
            case Expression.Call call:
                Calls[from].Add((call.Rule, to));
                break;
            case Expression.Sequence sequence:
                for (var i = 0; i < sequence.Items.Count; i++)
                {
                    var next = i == sequence.Items.Count - 1 ? to : NewState();
                    Connect(sequence.Items[i], from, next);
                    from = next;
                }
                if (sequence.Items.Count == 0)
                {
                    Empty[from].Add(to);
                }
                break;
            case Expression.Alternatives alternatives:
                foreach (var item in alternatives.Items)
                {
                    Connect(item, from, to);
                }
                break;
            case Expression.Repeat repeat:
                ConnectRepeat(repeat, from, to);
                break;
            case Expression.Graph graph:
                var states = Enumerable.Range(0, graph.States).Select(_ => NewState()).ToArray();
                Empty[from].Add(states[0]);
                Empty[states[^1]].Add(to);
                foreach (var edge in graph.Edges)
                {
                    Connect(edge.Label, states[edge.From], states[edge.To]);
                }
                break;
        }
    }

    private void ConnectRepeat(Expression.Repeat repeat, int from, int to)
    {
        for (var i = 0; i < repeat.Least; i++)
        {
            var next = NewState();
            Connect(repeat.Item, from, next);
            from = next;
        }
        if (repeat.Most is not { } most)
        {
            var (start, end) = Add(repeat.Item);
            Empty[from].Add(start);
            Empty[end].Add(start);
            Empty[start].Add(to);
            return;
        }
        for (var i = repeat.Least; i < most; i++)
        {
            Empty[from].Add(to);
            var next = NewState();
            Connect(repeat.Item, from, next);
            from = next;
        }
        Empty[from].Add(to);
    }

    // Equal ends of byte sequences are shared.
    private void ConnectCharacters(CharacterSet set, int from, int to)
    {
        if (set.Ranges is [(var lowest, var highest)] && highest < 0x80)
        {
            Bytes[from].Add(((byte)lowest, (byte)highest, to));
            budget.Work(1);
            return;
        }
        var shared = new Dictionary<(byte, byte, int), int>();
        foreach (var sequence in Utf8Ranges.Of(set))
        {
            var next = to;
            for (var i = sequence.Length - 1; i > 0; i--)
            {
                var (first, last) = sequence[i];
                if (!shared.TryGetValue((first, last, next), out var state))
                {
                    state = NewState();
                    Bytes[state].Add((first, last, next));
                    shared[(first, last, next)] = state;
                }
                next = state;
            }
            Bytes[from].Add((sequence[0].First, sequence[0].Last, next));
            budget.Work(1);
        }
    }
}
