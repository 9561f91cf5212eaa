using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Batch.ModelTrainer.Tokenizer;

/// <summary>
/// Byte-pair encoding (Sennrich et al. 2016) over bytes. Each merge touches only the words that hold the pair, and counts are kept
/// up to date, so that six thousand merges over ten megabytes take seconds. Equal counts are settled by ids: the result is deterministic.
/// </summary>
internal sealed class BpeTrainer
{
    private readonly List<Word> _words = [];
    private readonly Dictionary<(int Left, int Right), int> _counts = [];
    private readonly Dictionary<(int Left, int Right), List<int>> _wordsWith = [];
    private readonly PriorityQueue<(int Left, int Right), (int, int, int)> _queue = new();
    private readonly List<int> _lengths = [];
    private readonly int _maxBytes;

    private BpeTrainer(Dictionary<string, int> wordCounts, int maxBytes)
    {
        _maxBytes = maxBytes;
        _lengths.AddRange(Enumerable.Repeat(1, Vocabulary.FirstMerged));
        var idOfByte = new int[256];
        for (var i = 0; i < 256; i++)
        {
            idOfByte[ByteAlphabet.Ordered[i]] = 1 + i;
        }
        foreach (var (word, count) in wordCounts.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            _words.Add(new Word([.. Encoding.UTF8.GetBytes(word).Select(b => idOfByte[b])], count));
            AddPairs(_words.Count - 1, +1);
        }
        foreach (var pair in _counts.Keys)
        {
            Enqueue(pair);
        }
    }

    /// <param name="documents">The text to learn from.</param>
    /// <param name="size">Entries of the vocabulary, the end of text and the 256 bytes included.</param>
    /// <param name="maxTokenBytes">No token grows longer: whole phrases of a repetitive text should not become tokens.</param>
    public static Vocabulary Train(IEnumerable<string> documents, int size, int maxTokenBytes = 18)
    {
        var words = new Dictionary<string, int>();
        var pattern = new Regex(Vocabulary.Pattern, RegexOptions.Compiled);
        foreach (var document in documents)
        {
            foreach (var match in pattern.EnumerateMatches(document))
            {
                CollectionsMarshal.GetValueRefOrAddDefault(words, document.Substring(match.Index, match.Length), out _)++;
            }
        }
        return new BpeTrainer(words, maxTokenBytes).Run(size - Vocabulary.FirstMerged);
    }

    private Vocabulary Run(int count)
    {
        List<(int, int)> merges = [];
        while (merges.Count < count && _queue.TryDequeue(out var pair, out var priority))
        {
            var current = _counts.GetValueOrDefault(pair);
            if (current != -priority.Item1)
            {
                Enqueue(pair); // its count fell since it was queued
                continue;
            }
            Merge(pair, Vocabulary.FirstMerged + merges.Count);
            merges.Add(pair);
        }
        return new Vocabulary(merges);
    }

    private void Merge((int Left, int Right) pair, int id)
    {
        _lengths.Add(_lengths[pair.Left] + _lengths[pair.Right]);
        var created = new HashSet<(int, int)>();
        foreach (var index in _wordsWith[pair].Distinct())
        {
            var word = _words[index];
            var merged = Replace(word.Ids, pair, id);
            if (merged.Length == word.Ids.Length)
            {
                continue;
            }
            AddPairs(index, -1);
            _words[index] = word with { Ids = merged };
            AddPairs(index, +1, id, created);
        }
        _wordsWith.Remove(pair);
        foreach (var next in created)
        {
            Enqueue(next);
        }
    }

    /// <summary>Counts the pairs of a word in or out; where <paramref name="id"/> is given, notes only the pairs that hold it as new.</summary>
    private void AddPairs(int index, int sign, int id = -1, HashSet<(int, int)>? created = null)
    {
        var (ids, count) = _words[index];
        for (var i = 0; i + 1 < ids.Length; i++)
        {
            var pair = (ids[i], ids[i + 1]);
            CollectionsMarshal.GetValueRefOrAddDefault(_counts, pair, out _) += sign * count;
            if (sign < 0 || (id >= 0 && ids[i] != id && ids[i + 1] != id))
            {
                continue;
            }
            ref var words = ref CollectionsMarshal.GetValueRefOrAddDefault(_wordsWith, pair, out _);
            (words ??= []).Add(index);
            created?.Add(pair);
        }
    }

    private void Enqueue((int Left, int Right) pair)
    {
        var count = _counts.GetValueOrDefault(pair);
        if (count > 0 && _lengths[pair.Left] + _lengths[pair.Right] <= _maxBytes)
        {
            _queue.Enqueue(pair, (-count, pair.Left, pair.Right));
        }
    }

    private static int[] Replace(int[] ids, (int Left, int Right) pair, int id)
    {
        var result = new int[ids.Length];
        var length = 0;
        for (var i = 0; i < ids.Length; i++)
        {
            var found = i + 1 < ids.Length && ids[i] == pair.Left && ids[i + 1] == pair.Right;
            result[length++] = found ? id : ids[i];
            i += found ? 1 : 0;
        }
        return length == ids.Length ? ids : result[..length];
    }

    private sealed record Word(int[] Ids, int Count);
}
