using Batch.Inference.Engine.Logits;

namespace Batch.Inference.Engine.Interventions;

/// <summary>Rules out what interventions have banned.</summary>
internal sealed class InterventionBans : LogitsProcessor
{
    public override void Apply(Span<float> logits, Sequence sequence) => sequence.Interventions!.Mask(logits, sequence);
}
