using Batch.Inference.Tokenizers;

namespace Batch.Benchmarks.Service;

/// <summary>For engines without a model.</summary>
internal sealed class OneTokenPerCharacter : HfTokenizer
{
    public override int VocabularySize => 256;

    public override int[] Encode(string text, bool addSpecialTokens = true) => [.. text.Select(c => c % 256)];
}
