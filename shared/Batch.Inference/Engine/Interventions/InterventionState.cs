using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine.Interventions;

/// <summary>A rule that fires at the newest token, and where its regex's match begins.</summary>
internal readonly record struct Firing(int Rule, int MatchStart);

/// <summary>
/// What a sequence's rules have seen and what they hold in force: a function of the sequence's tokens and their logits alone. The engine thread owns it;
/// while rows are sampled it only reads.
/// </summary>
internal sealed class InterventionState
{
    private const int Window = 1024;

    private readonly HfTokenizer _tokenizer;
    private readonly bool _continuesText;
    private readonly SamplingParams _given;
    private readonly List<char> _text = [];
    private readonly List<int> _ends = []; // length of the text after each token
    private readonly List<double> _entropies = []; // of each token; NaN for injected ones
    private readonly int[] _fired;
    private readonly int[] _countFrom; // tokens before this one are not counted again
    private readonly List<(PreparedAction Action, long Until)> _inForce = [];
    private readonly Dictionary<int, HashSet<int>> _bannedAt = []; // by position in the text: tokens that stood there before a rollback
    private IncrementalDecoder _decoder;
    private int _seenTokens;
    private int _seenCharacters;

    /// <param name="continuesText">The prompt holds text, so a leading space belongs to the continuation.</param>
    public InterventionState(InterventionRules rules, SamplingParams given, HfTokenizer tokenizer, bool continuesText)
    {
        (Rules, _given, _tokenizer, _continuesText, Sampling) = (rules, given, tokenizer, continuesText, given);
        (_fired, _countFrom) = (new int[rules.Rules.Count], new int[rules.Rules.Count]);
        _decoder = NewDecoder();
    }

    public InterventionRules Rules { get; }

    /// <summary>The parameters in force for the next token.</summary>
    public SamplingParams Sampling { get; private set; }

    /// <summary>The audit trail.</summary>
    public List<InterventionRecord> Trail { get; } = [];

    public int Characters => _text.Count;

    /// <summary>After a token was drawn: the rules that fire at it, in order.</summary>
    /// <param name="entropy">Of the distribution it was drawn from.</param>
    public List<Firing> Observe(Sequence sequence, int token, double entropy)
    {
        Append(token, entropy);
        Expire(sequence.Draws);
        var firings = new List<Firing>();
        for (var i = 0; i < Rules.Rules.Count; i++)
        {
            var matchStart = -1;
            if (_fired[i] < Rules.Rules[i].Firings && Holds(i, sequence, ref matchStart))
            {
                firings.Add(new Firing(i, matchStart));
            }
        }
        (_seenTokens, _seenCharacters) = (_ends.Count, _text.Count);
        return firings;
    }

    public void Fired(Firing firing)
    {
        _fired[firing.Rule]++;
        _countFrom[firing.Rule] = _ends.Count;
    }

    public void Record(Firing firing, string action, string detail) => Trail.Add(new InterventionRecord(firing.Rule, _ends.Count, _text.Count, action, detail));

    /// <summary>Tokens that were not drawn. Rules are not asked about them by themselves.</summary>
    public void Injected(int token)
    {
        Append(token, double.NaN);
        _seenCharacters = _text.Count;
    }

    /// <summary>Bans or sets something from now on.</summary>
    public void Enforce(PreparedAction action, int draws)
    {
        var tokens = action.Action.Ban?.ForTokens ?? action.Action.Set?.ForTokens;
        _inForce.Add((action, tokens is { } count ? (long)draws + count : long.MaxValue));
        Expire(draws);
    }

    public void BanAt(int position, int token)
    {
        if (!_bannedAt.TryGetValue(position, out var banned))
        {
            _bannedAt[position] = banned = [];
        }
        banned.Add(token);
    }

    /// <summary>The text has only its first tokens left.</summary>
    public void Rollback(ReadOnlySpan<int> tokens)
    {
        var entropies = _entropies[..tokens.Length];
        _text.Clear();
        _ends.Clear();
        _entropies.Clear();
        _decoder = NewDecoder();
        for (var i = 0; i < tokens.Length; i++)
        {
            Append(tokens[i], entropies[i]);
        }
        (_seenTokens, _seenCharacters) = (_ends.Count, _text.Count);
        for (var i = 0; i < _countFrom.Length; i++)
        {
            _countFrom[i] = Math.Min(_countFrom[i], _ends.Count);
        }
        foreach (var position in _bannedAt.Keys.Where(position => position > _ends.Count).ToList())
        {
            _bannedAt.Remove(position); // other tokens will lead there
        }
    }

    /// <summary>The number of the text's tokens before the one that brought this character.</summary>
    public int TokenAt(int character)
    {
        var at = 0;
        while (at < _ends.Count - 1 && _ends[at] <= character)
        {
            at++;
        }
        return at;
    }

    /// <summary>Rules out what is banned for the next token. Reads only.</summary>
    public void Mask(Span<float> logits, Sequence sequence)
    {
        foreach (var (action, _) in _inForce)
        {
            action.Words?.Apply(logits, sequence);
            foreach (var id in action.Action.Ban?.TokenIds ?? [])
            {
                logits[id] = float.NegativeInfinity;
            }
        }
        if (_bannedAt.TryGetValue(sequence.CompletionTokens, out var banned))
        {
            foreach (var id in banned)
            {
                logits[id] = float.NegativeInfinity;
            }
        }
    }

    private IncrementalDecoder NewDecoder() => new(_tokenizer, _given.SkipSpecialTokens, _continuesText);

    private void Append(int token, double entropy)
    {
        _text.AddRange(_decoder.Append(token).AsSpan());
        _ends.Add(_text.Count);
        _entropies.Add(entropy);
    }

    private void Expire(int draws)
    {
        _inForce.RemoveAll(entry => draws >= entry.Until);
        Sampling = _given;
        foreach (var (action, _) in _inForce)
        {
            Sampling = action.Action.Set?.Over(Sampling) ?? Sampling;
        }
    }

    private bool Holds(int rule, Sequence sequence, ref int matchStart)
    {
        var when = Rules.Rules[rule].When;
        var count = _ends.Count;
        if (when.Tokens is { } tokens)
        {
            return _seenTokens < tokens && tokens <= count;
        }
        if (when.Every is { } every)
        {
            return count / every > _seenTokens / every;
        }
        if (when.Entropy is { } entropy)
        {
            return count - _countFrom[rule] >= entropy.For && StaysBeyond(entropy);
        }
        if (when.Repetition is { } repetition)
        {
            return count - _countFrom[rule] >= (long)repetition.Size * repetition.Times && Repeats(sequence, repetition);
        }
        matchStart = NewMatch(Rules.Rules[rule].Pattern!);
        return matchStart >= 0;
    }

    private bool StaysBeyond(EntropyCondition condition)
    {
        for (var i = _entropies.Count - condition.For; i < _entropies.Count; i++)
        {
            if (condition.Above is { } above ? !(_entropies[i] > above) : !(_entropies[i] < condition.Below))
            {
                return false;
            }
        }
        return true;
    }

    private static bool Repeats(Sequence sequence, RepetitionCondition condition)
    {
        var tail = CollectionsMarshal.AsSpan(sequence.Tokens)[^(condition.Size * condition.Times)..];
        return tail[condition.Size..].SequenceEqual(tail[..^condition.Size]);
    }

    // Where a match begins that the characters before the newest did not hold; -1 without one.
    private int NewMatch(Regex pattern)
    {
        if (_text.Count == _seenCharacters)
        {
            return -1;
        }
        foreach (var match in pattern.EnumerateMatches(CollectionsMarshal.AsSpan(_text), Math.Max(0, _seenCharacters - Window)))
        {
            if (match.Index + match.Length > _seenCharacters)
            {
                return match.Index;
            }
        }
        return -1;
    }
}
