using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace Batch.ModelTrainer.Tokenizer;

/// <summary>Text to ids and back. Text is never read as special tokens: the caller puts <see cref="Vocabulary.EndOfText"/> where it belongs.</summary>
internal sealed class BpeEncoder(Vocabulary vocabulary)
{
    private const int CachedWords = 1 << 18;

    private readonly Regex _pattern = new(Vocabulary.Pattern, RegexOptions.Compiled);
    private readonly Dictionary<string, int[]> _cache = [];
    private readonly int[] _idOfByte = IdOfByte();
    private readonly Dictionary<(int, int), int> _merged =
        vocabulary.Merges.Select((pair, i) => (pair, id: Vocabulary.FirstMerged + i)).ToDictionary(entry => entry.pair, entry => entry.id);

    public List<int> Encode(string text)
    {
        List<int> ids = [];
        var words = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var match in _pattern.EnumerateMatches(text))
        {
            var word = text.AsSpan(match.Index, match.Length);
            if (!words.TryGetValue(word, out var encoded))
            {
                encoded = EncodeWord(word);
                if (_cache.Count < CachedWords)
                {
                    words[word] = encoded;
                }
            }
            ids.AddRange(encoded);
        }
        return ids;
    }

    public string Decode(IEnumerable<int> ids)
    {
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var id in ids)
        {
            bytes.Write(vocabulary.Bytes(id));
        }
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>Joins the pair that was merged earliest, the leftmost of equals, until no pair is left.</summary>
    private int[] EncodeWord(ReadOnlySpan<char> word)
    {
        var bytes = Encoding.UTF8.GetBytes(word.ToString());
        var ids = new List<int>(bytes.Length);
        foreach (var b in bytes)
        {
            ids.Add(_idOfByte[b]);
        }
        while (true)
        {
            var (best, at) = (int.MaxValue, -1);
            for (var i = 0; i + 1 < ids.Count; i++)
            {
                if (_merged.TryGetValue((ids[i], ids[i + 1]), out var id) && id < best)
                {
                    (best, at) = (id, i);
                }
            }
            if (at < 0)
            {
                return [.. ids];
            }
            ids[at] = best;
            ids.RemoveAt(at + 1);
        }
    }

    private static int[] IdOfByte()
    {
        var ids = new int[256];
        for (var i = 0; i < 256; i++)
        {
            ids[ByteAlphabet.Ordered[i]] = 1 + i;
        }
        return ids;
    }
}
