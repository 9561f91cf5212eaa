using Batch.Inference.Tokenizers;

namespace Batch.Benchmarks.Engine;

/// <summary>Token ids as they are: a model of random weights has no text.</summary>
internal sealed class IdTokenizer(int vocabularySize) : HfTokenizer
{
    private static readonly byte[] Letter = "x"u8.ToArray();

    public override int VocabularySize => vocabularySize;

    public override int[] Encode(string text, bool addSpecialTokens = true) => throw new NotSupportedException("prompts are ids");

    public override string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = true) => new('x', ids.Count);

    public override ReadOnlySpan<byte> GetBytes(int id) => Letter;

    public override bool IsSpecial(int id) => false;
}
