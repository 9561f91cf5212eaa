using System.Text;
using System.Text.Unicode;
using Microsoft.ML.Tokenizers;

namespace Batch.Inference.Tokenizers;

/// <summary>Byte-level byte-pair encoding (GPT-2, Llama 3, Qwen), by Microsoft.ML.Tokenizers where it is right and fast.</summary>
internal sealed class ByteLevelBpe : ITokenModel
{
    // The library's time grows with the square of a piece's length: 50,000 Chinese characters without a break take it 3 s.
    private const int LongPiece = 256;

    private readonly BpeTokenizer _bpe;
    private readonly RankedMerges _longPieces;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>>? _wholePieces;

    /// <param name="tokens">Tokens in the byte alphabet.</param>
    /// <param name="merges">Pairs of tokens, best first.</param>
    /// <param name="ignoreMerges">A piece that is a token is that token, merges or not: Llama 3's option, which the library lacks.</param>
    /// <param name="file">Named in complaints about the merges.</param>
    public ByteLevelBpe(Dictionary<string, int> tokens, IReadOnlyList<(string Left, string Right)> merges, bool ignoreMerges, string file)
    {
        var symbols = new SymbolTable(tokens, fixedWords: [], byteIds: null, unknownId: null, fuseUnknown: false);
        _longPieces = new RankedMerges(symbols, new PairMerges(tokens, merges, file));
        RequireOwnIds(tokens, file);
        // No special tokens here: what a user's text writes like one stays text.
        _bpe = BpeTokenizer.Create(
            new BpeOptions(tokens) { Merges = merges.Select(merge => $"{merge.Left} {merge.Right}"), ByteLevel = true });
        if (ignoreMerges)
        {
            var wholePieces = new Dictionary<string, int>();
            foreach (var (token, id) in tokens)
            {
                var bytes = ByteAlphabet.ToBytes(token);
                if (Utf8.IsValid(bytes)) // half a character is no piece of any text
                {
                    wholePieces.TryAdd(Encoding.UTF8.GetString(bytes), id);
                }
            }
            _wholePieces = wholePieces.GetAlternateLookup<ReadOnlySpan<char>>();
        }
    }

    private static void RequireOwnIds(Dictionary<string, int> tokens, string file)
    {
        var ids = new HashSet<int>(tokens.Count);
        foreach (var (token, id) in tokens)
        {
            if (!ids.Add(id))
            {
                throw new InvalidDataException($"{file}: token '{token}' has id {id}, which another has too");
            }
        }
    }

    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (_wholePieces is { } wholePieces && wholePieces.TryGetValue(piece, out var id))
        {
            ids.Add(id);
            return;
        }
        if (piece.Length > LongPiece)
        {
            _longPieces.Encode(ByteAlphabet.Write(piece), ids);
            return;
        }
        ids.AddRange(_bpe.EncodeToIds(piece, considerPreTokenization: false, considerNormalization: false));
    }
}
