using System.Text;
using Microsoft.ML.Tokenizers;

namespace Batch.Inference.Tokenizers;

/// <summary>Byte-level byte-pair encoding (GPT-2, Llama 3, Qwen), by Microsoft.ML.Tokenizers.</summary>
internal sealed class ByteLevelBpe : ITokenModel
{
    private readonly BpeTokenizer _bpe;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>>? _wholePieces;

    /// <param name="tokens">Tokens in the byte alphabet.</param>
    /// <param name="merges">"left right", best first.</param>
    /// <param name="ignoreMerges">A piece that is a token is that token, merges or not; the library does not know this option of Llama 3.</param>
    public ByteLevelBpe(Dictionary<string, int> tokens, IEnumerable<string> merges, bool ignoreMerges)
    {
        // No special tokens here: what a user's text writes like one stays text.
        _bpe = BpeTokenizer.Create(new BpeOptions(tokens) { Merges = merges, ByteLevel = true });
        if (ignoreMerges)
        {
            var wholePieces = new Dictionary<string, int>();
            foreach (var (token, id) in tokens)
            {
                wholePieces.TryAdd(Encoding.UTF8.GetString(ByteAlphabet.ToBytes(token)), id);
            }
            _wholePieces = wholePieces.GetAlternateLookup<ReadOnlySpan<char>>();
        }
    }

    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (_wholePieces is { } wholePieces && wholePieces.TryGetValue(piece, out var id))
        {
            ids.Add(id);
            return;
        }
        ids.AddRange(_bpe.EncodeToIds(piece, considerPreTokenization: false, considerNormalization: false));
    }
}
