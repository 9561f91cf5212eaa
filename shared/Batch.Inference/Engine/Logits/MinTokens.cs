namespace Batch.Inference.Engine.Logits;

/// <summary>min_tokens: rules out what would end the text until it has so many tokens.</summary>
internal sealed class MinTokens(int tokens, IReadOnlyList<int> endings) : LogitsProcessor
{
    public override void Apply(Span<float> logits, Sequence sequence)
    {
        if (sequence.CompletionTokens < tokens)
        {
            foreach (var id in endings)
            {
                logits[id] = float.NegativeInfinity;
            }
        }
    }
}
