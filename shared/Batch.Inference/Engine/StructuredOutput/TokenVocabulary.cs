using System.Text;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>A tokenizer's tokens as constraints need them: what each writes, sorted into trees. Immutable, so shared by all constraints.</summary>
internal sealed class TokenVocabulary
{
    /// <summary>Tokens of safe characters up to this length need no walk where so many may follow.</summary>
    public const int SafeLength = 16;

    private readonly HfTokenizer _tokenizer;
    private readonly HashSet<int> _endOfText;
    private readonly bool _wholeCharactersOnly;

    public TokenVocabulary(HfTokenizer tokenizer, IReadOnlyCollection<int> endOfText)
    {
        (_tokenizer, _endOfText) = (tokenizer, [.. endOfText]);
        var tokens = Enumerable.Range(0, Size).Where(IsText).Select(id => (Bytes: tokenizer.GetBytes(id).ToArray(), Id: id)).ToList();
        Alphabet = AlphabetOf(tokens.ConvertAll(token => token.Bytes));
        _wholeCharactersOnly = Alphabet != CharacterSet.All;
        var usable = tokens.Where(token => !_wholeCharactersOnly || IsWhole(token.Bytes)).ToLookup(token => SafeCharacters.Count(token.Bytes) is > 0 and <= SafeLength);
        (Safe, Others) = (new TokenTrie(usable[true]), new TokenTrie(usable[false]));
        SafeBits = NewBits();
        foreach (var (_, id) in usable[true])
        {
            SafeBits[id >> 6] |= 1UL << id;
        }
    }

    public int Size => _tokenizer.VocabularySize;

    /// <summary>The characters that can be written one by one: all of them where there is a token for each byte.</summary>
    public CharacterSet Alphabet { get; }

    public IReadOnlyCollection<int> EndOfText => _endOfText;

    /// <summary>Tokens of 1 to <see cref="SafeLength"/> safe characters.</summary>
    public TokenTrie Safe { get; }

    public ulong[] SafeBits { get; }

    /// <summary>All other tokens of text.</summary>
    public TokenTrie Others { get; }

    public ulong[] NewBits() => new ulong[(Size + 63) / 64];

    public bool EndsText(int token) => _endOfText.Contains(token);

    /// <summary>What a token writes.</summary>
    public ReadOnlySpan<byte> GetBytes(int token) => _tokenizer.GetBytes(token);

    /// <summary>A token that a constrained text may hold: no control token, and it writes something.</summary>
    public bool IsText(int token) => token < Size && !_endOfText.Contains(token) && !_tokenizer.IsSpecial(token) && _tokenizer.GetBytes(token) is { Length: > 0 } bytes && (!_wholeCharactersOnly || IsWhole(bytes));

    private static bool IsWhole(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            if (Rune.DecodeFromUtf8(bytes, out _, out var length) != System.Buffers.OperationStatus.Done)
            {
                return false;
            }
            bytes = bytes[length..];
        }
        return true;
    }

    private static CharacterSet AlphabetOf(List<byte[]> tokens)
    {
        var bytes = tokens.Where(token => token.Length == 1).Select(token => token[0]).ToHashSet();
        var needed = Enumerable.Range(0, 0xF5).Where(b => b is not (0xC0 or 0xC1)).Select(b => (byte)b);
        return needed.All(bytes.Contains)
            ? CharacterSet.All
            : CharacterSet.Of(tokens.Where(token => Rune.DecodeFromUtf8(token, out _, out var length) == System.Buffers.OperationStatus.Done && length == token.Length)
                .Select(token => Rune.DecodeFromUtf8(token, out var rune, out _) == System.Buffers.OperationStatus.Done ? (rune.Value, rune.Value) : default));
    }
}
