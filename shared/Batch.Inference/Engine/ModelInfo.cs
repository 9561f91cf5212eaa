namespace Batch.Inference.Engine;

/// <summary>What is loaded, as results and audit name it.</summary>
/// <param name="Name">The name that jobs ask for.</param>
/// <param name="Family">model_type of config.json.</param>
/// <param name="DType">What it computes in.</param>
/// <param name="Device">Where.</param>
/// <param name="Parameters">Number of weights.</param>
/// <param name="ContextLength">Most tokens of prompt and text together.</param>
/// <param name="Identity">Fingerprint of the weights: equal weights, equal identity.</param>
public sealed record ModelInfo(string Name, string Family, string DType, string Device, long Parameters, int ContextLength, int VocabularySize, string Identity)
{
    /// <summary>Files, libraries and kernels, for receipts.</summary>
    public ModelProvenance Provenance { get; init; } = ModelProvenance.None;
}
