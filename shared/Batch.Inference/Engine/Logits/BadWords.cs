using System.Runtime.InteropServices;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine.Logits;

/// <summary>
/// bad_words as in vLLM (SamplingParams.update_from_tokenizer, v1/sample/ops/bad_words.py): a word is its tokens, and those of the word after a space where
/// that makes another first token and no more tokens; the last of them is ruled out where the text ends with the others.
/// </summary>
internal sealed class BadWords : LogitsProcessor
{
    private readonly List<int[]> _words = [];

    public BadWords(IReadOnlyList<string> words, HfTokenizer tokenizer)
    {
        foreach (var word in words.Distinct(StringComparer.Ordinal))
        {
            var bare = tokenizer.Encode(word.TrimStart(), addSpecialTokens: false);
            var spaced = tokenizer.Encode($" {word.TrimStart()}", addSpecialTokens: false);
            if (bare.Length == 0)
            {
                throw new GenerationRefusedException("bad_words must be words of at least one token, was one of none");
            }
            _words.Add(bare);
            if (spaced.Length == bare.Length && spaced[0] != bare[0])
            {
                _words.Add(spaced);
            }
        }
    }

    public override void Apply(Span<float> logits, Sequence sequence)
    {
        var text = CollectionsMarshal.AsSpan(sequence.Tokens)[sequence.PromptTokens..];
        foreach (var word in _words)
        {
            if (text.EndsWith(word.AsSpan(0, word.Length - 1)))
            {
                logits[word[^1]] = float.NegativeInfinity;
            }
        }
    }
}
