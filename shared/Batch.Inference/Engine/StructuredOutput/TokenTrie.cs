namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>The bytes of tokens as a tree, laid out depth first, so that a walk is a loop and a byte that may not come skips all tokens behind it.</summary>
internal sealed class TokenTrie
{
    // Bounds a walk to a quarter of a second where a schema is so ambiguous that each byte leaves hundreds of readings. Counts states, not what they cost
    // this time, so that equal texts get equal masks.
    private const long MostItems = 6_000_000;

    private readonly List<byte> _byte = [];
    private readonly List<int> _depth = [];
    private readonly List<int> _after = []; // the first node that is not below
    private readonly List<int[]> _tokens = []; // that end here
    private readonly int _deepest;

    /// <param name="tokens">None of them empty.</param>
    public TokenTrie(IEnumerable<(byte[] Bytes, int Id)> tokens)
    {
        var sorted = tokens.ToList();
        sorted.Sort((a, b) => a.Bytes.AsSpan().SequenceCompareTo(b.Bytes) is not 0 and var order ? order : a.Id.CompareTo(b.Id));
        var path = new List<int>();
        byte[] last = [];
        foreach (var (bytes, id) in sorted)
        {
            var common = bytes.AsSpan().CommonPrefixLength(last);
            Leave(path, common);
            foreach (var value in bytes.AsSpan(common))
            {
                path.Add(_byte.Count);
                _byte.Add(value);
                _depth.Add(path.Count - 1);
                _after.Add(0);
                _tokens.Add([]);
            }
            _tokens[path[^1]] = [.. _tokens[path[^1]], id];
            _deepest = Math.Max(_deepest, bytes.Length);
            last = bytes;
        }
        Leave(path, 0);
    }

    public int Nodes => _byte.Count;

    /// <summary>Sets the bits of the tokens that may follow the state; where that would take too long, of those of one byte and as many others as there is time for.</summary>
    public void Allow(ConstraintAutomaton automaton, AutomatonState from, Span<ulong> bits)
    {
        var path = new AutomatonState[_deepest + 1];
        path[0] = from;
        var items = 0L;
        for (var node = 0; node < _byte.Count;)
        {
            var depth = _depth[node];
            var next = depth > 0 && items > MostItems ? automaton.Dead : automaton.Step(path[depth], _byte[node]);
            items += next.Items.Length;
            if (next == automaton.Dead)
            {
                node = _after[node];
                continue;
            }
            path[depth + 1] = next;
            foreach (var token in _tokens[node])
            {
                bits[token >> 6] |= 1UL << token;
            }
            node++;
        }
    }

    private void Leave(List<int> path, int depth)
    {
        foreach (var node in path.Skip(depth))
        {
            _after[node] = _byte.Count;
        }
        path.RemoveRange(depth, path.Count - depth);
    }
}
