namespace Batch.Inference.Engine.Logits;

/// <summary>One change that a parameter makes to a row of logits before a token is chosen. Immutable: what it needs of the text it reads from the sequence.</summary>
internal abstract class LogitsProcessor
{
    /// <param name="logits">[vocabulary]; changed in place.</param>
    /// <param name="sequence">Whose row it is. Rows are processed in parallel, so nothing of it is changed.</param>
    public abstract void Apply(Span<float> logits, Sequence sequence);
}
