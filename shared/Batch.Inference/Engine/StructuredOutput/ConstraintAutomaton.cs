namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// Follows a grammar byte by byte. The states reached are kept, each with its transitions, so that a byte costs a look-up once its state has been there
/// before; when they take too much memory all are forgotten and made anew as needed. Not for several threads at once.
/// </summary>
internal sealed class ConstraintAutomaton
{
    private const long MostBytes = 32 << 20;

    private readonly Grammar _grammar;
    private readonly byte[] _classOf;
    private readonly int _classes;
    private readonly Dictionary<Item[], AutomatonState> _states = new(new ItemsComparer());
    private readonly Dictionary<Item[], List<Frame>> _frames = new(new ItemsComparer());
    private readonly List<Item> _items = [];
    private readonly HashSet<Item> _seen = [];
    private readonly SortedDictionary<(int Order, int Nesting, int Rule), HashSet<Item>> _calls = [];
    private int _frameIds;
    private long _bytes;

    public ConstraintAutomaton(Grammar grammar)
    {
        _grammar = grammar;
        _classOf = grammar.ByteClasses();
        _classes = _classOf[255] + 1;
        Dead = new AutomatonState([], accepts: false, continues: false, 0, _classes);
        var root = new Frame(_frameIds++, grammar.NestingOf(grammar.Root), []);
        Add(new Item(root, grammar.Start(grammar.Root)));
        Start = Close();
    }

    public AutomatonState Start { get; }

    /// <summary>No text of the language begins so.</summary>
    public AutomatonState Dead { get; }

    public AutomatonState Step(AutomatonState state, byte value) => state.Next[_classOf[value]] ?? Compute(state, value);

    /// <summary>Counts what hangs on the states, and forgets all of it when it is too much.</summary>
    public void Charge(int bytes)
    {
        _bytes += bytes;
        if (_bytes <= MostBytes)
        {
            return;
        }
        foreach (var state in _states.Values)
        {
            state.Forget();
        }
        _states.Clear();
        _frames.Clear();
        Start.Forget();
        _states[Start.Items] = Start;
        _bytes = Start.Bytes;
    }

    private AutomatonState Compute(AutomatonState state, byte value)
    {
        foreach (var item in state.Items)
        {
            var next = _grammar.Step(item.State, value);
            if (next >= 0 && item.Frame.Nesting + _grammar.Height[next] <= Grammar.MostNesting)
            {
                Add(new Item(item.Frame, next));
            }
        }
        var result = _items.Count == 0 ? Dead : Close();
        return state.Next[_classOf[value]] = result;
    }

    private void Add(Item item)
    {
        if (_seen.Add(item))
        {
            _items.Add(item);
        }
    }

    // Returns from rules that end here, then calls the rules that may begin here: a rule after all those that may begin with it.
    private AutomatonState Close()
    {
        for (var i = 0; i < _items.Count; i++)
        {
            if (_grammar.IsFinal(_items[i].State))
            {
                foreach (var caller in _items[i].Frame.Callers)
                {
                    Add(caller);
                }
            }
        }
        _items.ForEach(Call);
        while (_calls.Count > 0)
        {
            var (call, callers) = First();
            _calls.Remove(call);
            var item = new Item(FrameOf(call.Rule, call.Nesting, callers), _grammar.Start(call.Rule));
            Add(item);
            Call(item);
        }
        return Intern();
    }

    private ((int Order, int Nesting, int Rule) Call, HashSet<Item> Callers) First()
    {
        foreach (var (call, callers) in _calls)
        {
            return (call, callers);
        }
        throw new InvalidOperationException("there is no call");
    }

    private void Call(Item item)
    {
        foreach (var (rule, to) in _grammar.Calls(item.State, out var first))
        {
            var height = Math.Max(_grammar.HeightOf(rule), _grammar.Height[first + to]);
            if (item.Frame.Nesting + height > Grammar.MostNesting)
            {
                continue;
            }
            var key = (_grammar.Order[rule], item.Frame.Nesting + _grammar.NestingOf(rule), rule);
            if (!_calls.TryGetValue(key, out var callers))
            {
                _calls[key] = callers = [];
            }
            callers.Add(new Item(item.Frame, first + to));
        }
    }

    // Equal callers, equal frame; a frame does not hold its rule, since an item's state does.
    private Frame FrameOf(int rule, int nesting, HashSet<Item> callers)
    {
        var sorted = callers.ToArray();
        Array.Sort(sorted);
        if (!_frames.TryGetValue(sorted, out var frames))
        {
            _frames[sorted] = frames = [];
        }
        var frame = frames.Find(frame => frame.Nesting == nesting);
        if (frame is null)
        {
            frames.Add(frame = new Frame(_frameIds++, nesting, sorted));
            _bytes += 160 + 16 * sorted.Length;
        }
        return frame;
    }

    private AutomatonState Intern()
    {
        var (accepts, continues, safeRun) = (false, false, 0);
        var kept = 0;
        for (var i = 0; i < _items.Count; i++)
        {
            var item = _items[i];
            var (ends, goesOn) = (item.Frame.Callers.Length == 0 && _grammar.IsFinal(item.State), _grammar.HasBytes(item.State));
            accepts |= ends;
            continues |= goesOn;
            safeRun = Math.Max(safeRun, _grammar.SafeRun[item.State]);
            if (ends || goesOn)
            {
                _items[kept++] = item; // the others have done their part: they were returned from, or have called
            }
        }
        var items = _items.GetRange(0, kept).ToArray();
        Array.Sort(items);
        _items.Clear();
        _seen.Clear();
        if (!_states.TryGetValue(items, out var state))
        {
            state = new AutomatonState(items, accepts, continues, safeRun, _classes);
            _states[items] = state;
            Charge(state.Bytes);
        }
        return state;
    }

    private sealed class ItemsComparer : IEqualityComparer<Item[]>
    {
        public bool Equals(Item[]? x, Item[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(Item[] items)
        {
            var hash = new HashCode();
            foreach (var item in items)
            {
                hash.Add(item.Frame.Id);
                hash.Add(item.State);
            }
            return hash.ToHashCode();
        }
    }
}
