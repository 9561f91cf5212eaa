namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// The automata of all rules, their states numbered through. Every state that is left can reach the end of its rule, so whoever follows the edges never
/// stands before a dead end. Immutable.
/// </summary>
internal sealed class Grammar
{
    /// <summary>Deepest nesting of JSON arrays and objects: what System.Text.Json and Json.NET read by default.</summary>
    public const int MostNesting = 64;

    /// <summary>Any number of characters.</summary>
    public const int Endless = int.MaxValue;

    private const int Unreachable = int.MaxValue;

    private readonly List<Dfa> _rules;
    private readonly int[] _firstState;
    private readonly int[] _ruleOf;
    private readonly int[] _nesting;

    private Grammar(List<Dfa> rules, int[] nesting, int root)
    {
        (_rules, _nesting, Root) = (rules, nesting, root);
        _firstState = new int[rules.Count];
        for (var rule = 1; rule < rules.Count; rule++)
        {
            _firstState[rule] = _firstState[rule - 1] + rules[rule - 1].Next.Count;
        }
        _ruleOf = [.. rules.SelectMany((dfa, rule) => Enumerable.Repeat(rule, dfa.Next.Count))];
        Height = new int[_ruleOf.Length];
        SafeRun = new int[_ruleOf.Length];
        Order = new int[rules.Count];
    }

    public int Root { get; }

    public int States => _ruleOf.Length;

    /// <summary>[state] how many more containers must at least be opened, one inside the other, before its rule can end.</summary>
    public int[] Height { get; }

    /// <summary>[state] so many characters of a JSON string that need no escape may follow, whichever they are.</summary>
    public int[] SafeRun { get; }

    /// <summary>[rule] a rule comes before those that it may begin with.</summary>
    public int[] Order { get; }

    /// <param name="rules">Their languages.</param>
    /// <param name="nesting">[rule] 1 for a rule that opens a JSON container.</param>
    /// <returns>Null where no text belongs to the root rule.</returns>
    public static Grammar? Build(IReadOnlyList<Expression> rules, int[] nesting, int root, CharacterSet alphabet, CompileBudget budget, string where)
    {
        var grammar = new Grammar([.. rules.Select(rule => Dfa.Of(rule, alphabet, budget))], nesting, root);
        grammar.MeasureHeights();
        if (grammar.HeightOf(root) > MostNesting)
        {
            return null;
        }
        grammar.Prune();
        grammar.OrderRules(where);
        grammar.MeasureSafeRuns();
        return grammar;
    }

    public int Start(int rule) => _firstState[rule];

    public int NestingOf(int rule) => _nesting[rule];

    /// <summary>How many containers the shortest text of the rule nests.</summary>
    public int HeightOf(int rule) => Height[Start(rule)] == Unreachable ? Unreachable : Height[Start(rule)] + _nesting[rule];

    public bool IsFinal(int state) => _rules[_ruleOf[state]].Final[state - _firstState[_ruleOf[state]]];

    public bool HasBytes(int state) => _rules[_ruleOf[state]].Next[state - _firstState[_ruleOf[state]]] is not null;

    /// <summary>The state after a byte, or -1.</summary>
    public int Step(int state, byte value)
    {
        var first = _firstState[_ruleOf[state]];
        var next = _rules[_ruleOf[state]].Step(state - first, value);
        return next < 0 ? -1 : first + next;
    }

    /// <summary>The rules that may be called, and the states of this rule after them, counted from <see cref="Start"/>.</summary>
    public (int Rule, int To)[] Calls(int state, out int first)
    {
        first = _firstState[_ruleOf[state]];
        return _rules[_ruleOf[state]].Calls[state - first];
    }

    /// <summary>[256] classes of bytes that no rule tells apart.</summary>
    public byte[] ByteClasses()
    {
        var classes = new byte[256];
        for (var b = 1; b < 256; b++)
        {
            var differs = _rules.Exists(rule => rule.ClassOf[b] != rule.ClassOf[b - 1]);
            classes[b] = (byte)(classes[b - 1] + (differs ? 1 : 0));
        }
        return classes;
    }

    // Shortest first: relaxes backwards from the final states until nothing changes.
    private void MeasureHeights()
    {
        Array.Fill(Height, Unreachable);
        var before = new List<(int From, int Rule)>?[States];
        var callers = new List<(int From, int To)>?[_rules.Count];
        var changed = new Queue<int>();
        for (var state = 0; state < States; state++)
        {
            var first = _firstState[_ruleOf[state]];
            foreach (var next in (_rules[_ruleOf[state]].Next[state - first] ?? []).Distinct().Where(next => next >= 0))
            {
                (before[first + next] ??= []).Add((state, -1));
            }
            foreach (var (rule, to) in Calls(state, out _))
            {
                (before[first + to] ??= []).Add((state, rule));
                (callers[rule] ??= []).Add((state, first + to));
            }
            if (IsFinal(state))
            {
                Height[state] = 0;
                changed.Enqueue(state);
            }
        }
        void Relax(int state, int rule, int next)
        {
            var height = Math.Max(Height[next], rule < 0 ? 0 : HeightOf(rule));
            if (height < Height[state])
            {
                Height[state] = height;
                changed.Enqueue(state);
            }
        }
        while (changed.TryDequeue(out var state))
        {
            foreach (var (from, rule) in before[state] ?? [])
            {
                Relax(from, rule, state);
            }
            if (state == Start(_ruleOf[state]))
            {
                foreach (var (from, to) in callers[_ruleOf[state]] ?? [])
                {
                    Relax(from, _ruleOf[state], to);
                }
            }
        }
    }

    // Takes away edges to states, and calls of rules, from which there is no end.
    private void Prune()
    {
        for (var state = 0; state < States; state++)
        {
            var (dfa, first) = (_rules[_ruleOf[state]], _firstState[_ruleOf[state]]);
            var row = dfa.Next[state - first];
            for (var c = 0; row is not null && c < row.Length; c++)
            {
                row[c] = row[c] >= 0 && Height[first + row[c]] > MostNesting ? -1 : row[c];
            }
            dfa.Next[state - first] = row is null || Array.TrueForAll(row, next => next < 0) ? null : row;
            dfa.Calls[state - first] = Array.FindAll(dfa.Calls[state - first], call => HeightOf(call.Rule) <= MostNesting && Height[first + call.To] <= MostNesting);
        }
    }

    // Depth first along the rules that a rule may begin with; a circle would call for ever without a byte between.
    private void OrderRules(string where)
    {
        var (visited, done, position) = (new bool[_rules.Count], new bool[_rules.Count], _rules.Count);
        var path = new Stack<(int Rule, int Call)>();
        for (var start = 0; start < _rules.Count; start++)
        {
            if (visited[start])
            {
                continue;
            }
            path.Push((start, 0));
            visited[start] = true;
            while (path.TryPop(out var at))
            {
                var calls = Calls(Start(at.Rule), out _);
                if (at.Call == calls.Length)
                {
                    done[at.Rule] = true;
                    Order[at.Rule] = --position;
                    continue;
                }
                path.Push((at.Rule, at.Call + 1));
                var called = calls[at.Call].Rule;
                if (visited[called] && !done[called])
                {
                    throw StructuredOutputParams.Refused(where, "a $ref leads back to itself with no text between");
                }
                if (!visited[called])
                {
                    visited[called] = true;
                    path.Push((called, 0));
                }
            }
        }
    }

    private void MeasureSafeRuns()
    {
        var after = new int[States]; // the one state after any safe character, or -1
        for (var state = 0; state < States; state++)
        {
            after[state] = SafeCharacters.Follow(this, state);
            foreach (var (rule, to) in Calls(state, out var first))
            {
                if (after[state] < 0 && SafeCharacters.Follow(this, Start(rule)) is >= 0 and var end && IsFinal(end))
                {
                    after[state] = first + to;
                }
            }
        }
        Array.Fill(SafeRun, -1);
        var path = new Stack<int>();
        for (var state = 0; state < States; state++)
        {
            var at = state;
            while (at >= 0 && SafeRun[at] == -1)
            {
                SafeRun[at] = Endless; // stays, where the path comes back to itself
                path.Push(at);
                at = after[at];
            }
            var run = at < 0 ? -1 : SafeRun[at];
            while (path.TryPop(out at))
            {
                run = run == Endless ? Endless : run + 1;
                SafeRun[at] = run;
            }
        }
    }
}
