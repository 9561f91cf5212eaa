namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// The deterministic automaton of one expression. Bytes that no edge tells apart share a class; calls of rules are letters of their own. Made by the
/// subset construction, so its size is bounded by the budget.
/// </summary>
internal sealed class Dfa
{
    private readonly Nfa _nfa;
    private readonly CompileBudget _budget;
    private readonly Dictionary<int[], int> _known = new(new SetComparer());
    private readonly List<int[]> _sets = [];
    private readonly HashSet<int> _reached = [];
    private readonly Stack<int> _pending = [];
    private readonly List<int>?[] _buckets = new List<int>?[256]; // [class] of the state that is expanded: kept, as there are many states

    private Dfa(Nfa nfa, CompileBudget budget)
    {
        (_nfa, _budget) = (nfa, budget);
        ClassOf = Classes(nfa);
    }

    /// <summary>[256] the class of each byte; classes are numbered in the order of their bytes.</summary>
    public byte[] ClassOf { get; }

    /// <summary>[state][class] the next state or -1; null for a state without byte edges.</summary>
    public List<int[]?> Next { get; } = [];

    public List<(int Rule, int To)[]> Calls { get; } = [];

    public List<bool> Final { get; } = [];

    /// <summary>State 0 is the start.</summary>
    public static Dfa Of(Expression expression, CharacterSet alphabet, CompileBudget budget)
    {
        var nfa = new Nfa(alphabet, budget);
        var (start, end) = nfa.Add(expression);
        var dfa = new Dfa(nfa, budget);
        dfa.Intern([start]);
        for (var state = 0; state < dfa._sets.Count; state++)
        {
            dfa.Expand(state, end);
        }
        dfa._sets.Clear();
        dfa._known.Clear();
        return dfa;
    }

    /// <summary>The texts of both, for expressions without calls; or, with <paramref name="except"/>, those of the first alone.</summary>
    public static Expression Combine(Expression a, Expression b, bool except, CharacterSet alphabet, CompileBudget budget)
    {
        var (left, right) = (Of(a, alphabet, budget), Of(b, alphabet, budget));
        var (pairs, order) = (new Dictionary<(int, int), int> { [(0, 0)] = 0 }, new List<(int Left, int Right)> { (0, 0) });
        var edges = new List<Expression.Edge>();
        var final = new List<int>();
        for (var i = 0; i < order.Count; i++)
        {
            var (l, r) = order[i];
            if (left.Final[l] && (r >= 0 && right.Final[r]) != except)
            {
                final.Add(i);
            }
            for (var first = 0; first < 256;)
            {
                var last = first;
                while (last < 255 && left.ClassOf[last + 1] == left.ClassOf[first] && right.ClassOf[last + 1] == right.ClassOf[first])
                {
                    last++;
                }
                var to = (Left: left.Step(l, (byte)first), Right: r < 0 ? -1 : right.Step(r, (byte)first));
                if (to.Left >= 0 && (to.Right >= 0 || except))
                {
                    if (!pairs.TryGetValue(to, out var target))
                    {
                        budget.AddNfaState();
                        pairs[to] = target = order.Count;
                        order.Add(to);
                    }
                    edges.Add(new(i, new Expression.Bytes((byte)first, (byte)last), target));
                }
                budget.Work(1);
                first = last + 1;
            }
        }
        edges.AddRange(final.Select(state => new Expression.Edge(state, Expression.Empty, order.Count)));
        return new Expression.Graph(order.Count + 1, edges);
    }

    public int Step(int state, byte value) => Next[state] is { } row ? row[ClassOf[value]] : -1;

    private void Expand(int state, int end)
    {
        var set = _sets[state];
        var (classes, hasBytes) = (ClassOf[255] + 1, false);
        Array.ForEach(_buckets, bucket => bucket?.Clear());
        var calls = new SortedDictionary<int, List<int>>();
        foreach (var member in set)
        {
            foreach (var (first, last, to) in _nfa.Bytes[member])
            {
                hasBytes = true;
                for (int c = ClassOf[first]; c <= ClassOf[last]; c++)
                {
                    (_buckets[c] ??= []).Add(to);
                }
                _budget.Work(1 + ClassOf[last] - ClassOf[first]);
            }
            foreach (var (rule, to) in _nfa.Calls[member])
            {
                (calls.TryGetValue(rule, out var targets) ? targets : calls[rule] = []).Add(to);
            }
        }
        Final[state] = Array.BinarySearch(set, end) >= 0;
        Calls[state] = [.. calls.Select(call => (call.Key, Intern(call.Value)))];
        if (!hasBytes)
        {
            return;
        }
        var row = new int[classes];
        for (var c = 0; c < classes; c++)
        {
            row[c] = _buckets[c] is not { Count: > 0 } bucket ? -1
                : c > 0 && _buckets[c - 1] is { } previous && previous.SequenceEqual(bucket) ? row[c - 1]
                : Intern(bucket);
        }
        Next[state] = row;
    }

    // The state for these members and what they reach through empty edges. Members without edges of their own are left out, but for the end.
    private int Intern(List<int> members)
    {
        _reached.Clear();
        foreach (var member in members)
        {
            Reach(member);
        }
        while (_pending.TryPop(out var member))
        {
            foreach (var to in _nfa.Empty[member])
            {
                Reach(to);
            }
        }
        _budget.Work(_reached.Count);
        var set = _reached.Where(m => _nfa.Bytes[m].Count > 0 || _nfa.Calls[m].Count > 0 || _nfa.Empty[m].Count == 0).ToArray();
        Array.Sort(set);
        if (!_known.TryGetValue(set, out var state))
        {
            _budget.AddState();
            state = _sets.Count;
            _known[set] = state;
            _sets.Add(set);
            Next.Add(null);
            Calls.Add([]);
            Final.Add(false);
        }
        return state;
    }

    private void Reach(int member)
    {
        if (_reached.Add(member))
        {
            _pending.Push(member);
        }
    }

    private static byte[] Classes(Nfa nfa)
    {
        Span<bool> starts = stackalloc bool[257];
        foreach (var edges in nfa.Bytes)
        {
            foreach (var (first, last, _) in edges)
            {
                starts[first] = starts[last + 1] = true;
            }
        }
        var classes = new byte[256];
        for (var b = 1; b < 256; b++)
        {
            classes[b] = (byte)(classes[b - 1] + (starts[b] ? 1 : 0));
        }
        return classes;
    }

    private sealed class SetComparer : IEqualityComparer<int[]>
    {
        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] set)
        {
            var hash = new HashCode();
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(set.AsSpan()));
            return hash.ToHashCode();
        }
    }
}
