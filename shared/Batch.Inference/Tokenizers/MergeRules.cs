namespace Batch.Inference.Tokenizers;

/// <summary>The merges of a tokenizer.json: a listed pair merges, earlier lines first; of a pair listed twice the later line counts.</summary>
internal sealed class PairMerges : IMergeRules
{
    private readonly Dictionary<(int Left, int Right), (int Id, int Rank)> _merges = [];

    public PairMerges(IReadOnlyDictionary<string, int> tokens, IEnumerable<(string Left, string Right)> merges, string file)
    {
        var rank = 0;
        foreach (var (left, right) in merges)
        {
            _merges[(IdOf(left), IdOf(right))] = (IdOf(left + right), rank++);
        }

        int IdOf(string token) => tokens.TryGetValue(token, out var id)
            ? id
            : throw new InvalidDataException($"{file}: the merges name '{token}', which the vocabulary lacks");
    }

    public bool TryMerge(int left, int right, ReadOnlySpan<char> joined, out int id, out double rank)
    {
        var found = _merges.TryGetValue((left, right), out var merge);
        (id, rank) = (merge.Id, merge.Rank);
        return found;
    }
}

/// <summary>Whatever makes a token merges, the lowest id first: tiktoken's ranks.</summary>
internal sealed class IdMerges(Dictionary<string, int> tokens) : IMergeRules
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _tokens = tokens.GetAlternateLookup<ReadOnlySpan<char>>();

    public bool TryMerge(int left, int right, ReadOnlySpan<char> joined, out int id, out double rank)
    {
        var found = _tokens.TryGetValue(joined, out id);
        rank = id;
        return found;
    }
}

/// <summary>The scores of a sentencepiece model: whatever makes a token merges, the highest score first.</summary>
internal sealed class ScoredMerges(Dictionary<string, int> tokens, IReadOnlyList<float> scores) : IMergeRules
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _tokens = tokens.GetAlternateLookup<ReadOnlySpan<char>>();

    public bool TryMerge(int left, int right, ReadOnlySpan<char> joined, out int id, out double rank)
    {
        var found = _tokens.TryGetValue(joined, out id);
        rank = found ? -scores[id] : 0;
        return found;
    }
}
