using static TorchSharp.torch;

namespace Batch.Inference.Weights;

/// <summary>As strict as <see cref="WeightLoader"/> about names and shapes, but reads the files' headers alone: what it gives has no memory.</summary>
internal sealed class ShapeLoader(string folder) : WeightLoader(folder, ScalarType.Float32, META)
{
    private readonly HashSet<string> _stored = [];

    /// <summary>The files' own types, such as BF16.</summary>
    public IEnumerable<string> StoredTypes => _stored.Order(StringComparer.Ordinal);

    protected override Tensor Read(SafetensorsFile file, TensorEntry entry)
    {
        _stored.Add(entry.DType);
        return empty(entry.Shape, ScalarType.Float32, META);
    }
}
