namespace Batch.Inference.Engine.Logits;

/// <summary>allowed_token_ids: rules out every other token.</summary>
internal sealed class AllowedTokens(IReadOnlyList<int> allowed) : LogitsProcessor
{
    private readonly int[] _allowed = [.. allowed.Distinct().Order()];

    public override void Apply(Span<float> logits, Sequence sequence)
    {
        var next = 0;
        foreach (var id in _allowed)
        {
            logits[next..id].Fill(float.NegativeInfinity);
            next = id + 1;
        }
        logits[next..].Fill(float.NegativeInfinity);
    }
}
