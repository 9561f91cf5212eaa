namespace Batch.Inference.Engine.Logits;

/// <summary>logit_bias: added to the logits of its tokens.</summary>
internal sealed class LogitBias(IReadOnlyDictionary<int, float> bias) : LogitsProcessor
{
    private readonly (int Id, float Bias)[] _bias = [.. bias.Select(b => (b.Key, b.Value))];

    public override void Apply(Span<float> logits, Sequence sequence)
    {
        foreach (var (id, value) in _bias)
        {
            logits[id] += value;
        }
    }
}
