using System.Runtime.InteropServices;

namespace Batch.Inference.Engine.Logits;

/// <summary>no_repeat_ngram_size: rules out each token that has followed the last n - 1 tokens before, in prompt or text (transformers' NoRepeatNGramLogitsProcessor).</summary>
internal sealed class NoRepeatNgram(int size) : LogitsProcessor
{
    public override void Apply(Span<float> logits, Sequence sequence)
    {
        var tokens = CollectionsMarshal.AsSpan(sequence.Tokens);
        if (tokens.Length < size)
        {
            return;
        }
        var last = tokens[^(size - 1)..];
        for (var start = 0; start + size <= tokens.Length; start++)
        {
            var follower = tokens[start + size - 1];
            if (follower < logits.Length && tokens.Slice(start, size - 1).SequenceEqual(last))
            {
                logits[follower] = float.NegativeInfinity;
            }
        }
    }
}
