using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>The tokens of a character-level model, and what becomes of a character that is none of them.</summary>
internal sealed class SymbolTable
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids;
    private readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> _fixedWords;
    private readonly int _longestFixedWord;
    private readonly int[]? _byteIds;
    private readonly int? _unknownId;
    private readonly bool _fuseUnknown;

    /// <param name="tokens">The tokens that text can become.</param>
    /// <param name="fixedWords">Tokens that are matched before any merge.</param>
    /// <param name="byteIds">Ids of the 256 byte tokens, -1 for one that is missing, where unknown characters fall back to them.</param>
    /// <param name="unknownId">Stands for unknown characters otherwise; without it they vanish.</param>
    /// <param name="fuseUnknown">One unknown token for neighbouring unknown characters.</param>
    public SymbolTable(
        Dictionary<string, int> tokens, HashSet<string> fixedWords, int[]? byteIds, int? unknownId, bool fuseUnknown)
    {
        _ids = tokens.GetAlternateLookup<ReadOnlySpan<char>>();
        _fixedWords = fixedWords.GetAlternateLookup<ReadOnlySpan<char>>();
        _longestFixedWord = fixedWords.Select(word => word.Length).DefaultIfEmpty(0).Max();
        _byteIds = byteIds;
        _unknownId = unknownId;
        _fuseUnknown = fuseUnknown;
    }

    /// <summary>How a byte is written as a token, as in &lt;0x0A&gt;.</summary>
    public static string ByteToken(int value) => $"<0x{value:X2}>";

    /// <summary>The byte that a token like &lt;0x0A&gt; stands for.</summary>
    public static bool TryReadByte(string token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out value);
    }

    /// <summary>Ids of the 256 byte tokens, -1 for those that the vocabulary lacks: Gemma has no byte token for the tab.</summary>
    public static int[] FindByteIds(IReadOnlyDictionary<string, int> tokens)
    {
        var ids = new int[256];
        for (var value = 0; value < ids.Length; value++)
        {
            ids[value] = tokens.TryGetValue(ByteToken(value), out var id) ? id : -1;
        }
        return ids;
    }

    /// <summary>The token's id, or -1.</summary>
    public int Find(ReadOnlySpan<char> text) => _ids.TryGetValue(text, out var id) ? id : -1;

    /// <summary>Length of the longest fixed word at the start of the text, or 0.</summary>
    public int FixedWordLength(ReadOnlySpan<char> text)
    {
        for (var length = Math.Min(_longestFixedWord, text.Length); length > 0; length--)
        {
            if (_fixedWords.Contains(text[..length]))
            {
                return length;
            }
        }
        return 0;
    }

    /// <summary>Writes a symbol that is no token, and says whether an unknown token is now the last.</summary>
    public bool AddUnknown(ReadOnlySpan<char> symbol, bool afterUnknown, List<int> ids)
    {
        if (_byteIds is not null && AddBytes(symbol, _byteIds, ids))
        {
            return false;
        }
        if (_unknownId is { } unknown && !(afterUnknown && _fuseUnknown))
        {
            ids.Add(unknown);
        }
        return true;
    }

    private static bool AddBytes(ReadOnlySpan<char> symbol, int[] byteIds, List<int> ids)
    {
        Span<byte> bytes = stackalloc byte[Encoding.UTF8.GetMaxByteCount(symbol.Length)];
        bytes = bytes[..Encoding.UTF8.GetBytes(symbol, bytes)];
        var first = ids.Count;
        foreach (var value in bytes)
        {
            if (byteIds[value] < 0)
            {
                ids.RemoveRange(first, ids.Count - first);
                return false;
            }
            ids.Add(byteIds[value]);
        }
        return true;
    }
}
