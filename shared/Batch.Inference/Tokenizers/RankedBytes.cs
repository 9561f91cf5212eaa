namespace Batch.Inference.Tokenizers;

/// <summary>Byte-level encoding without a list of merges: a piece that is a token is that token, else whatever makes the lowest id merges first.</summary>
/// <param name="tokens">Tokens in the byte alphabet, ids in the order of ranks.</param>
internal sealed class RankedBytes(Dictionary<string, int> tokens) : ITokenModel
{
    private readonly RankedMerges _merges = new(
        new SymbolTable(tokens, fixedWords: [], byteIds: null, unknownId: null, fuseUnknown: false), new IdMerges(tokens));

    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _tokens = tokens.GetAlternateLookup<ReadOnlySpan<char>>();

    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        var bytes = ByteAlphabet.Write(piece);
        if (_tokens.TryGetValue(bytes, out var id))
        {
            ids.Add(id);
            return;
        }
        _merges.Encode(bytes, ids);
    }
}
