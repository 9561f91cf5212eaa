using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Benchmarks.References;

/// <summary>Weights without memory, on the meta device: whatever a model asks for is there, and is noted. So a model's names and shapes are known from its config alone.</summary>
/// <param name="absent">Optional tensors that the checkpoint does not hold.</param>
internal sealed class MetaWeights(params string[] absent) : WeightLoader(ScalarType.Float32, META)
{
    private readonly Dictionary<string, long[]> _shapes = [];

    /// <summary>What was taken, in that order.</summary>
    public IReadOnlyDictionary<string, long[]> Shapes => _shapes;

    public override bool Contains(string name) => !absent.Contains(name);

    public override Tensor Take(string name, params long[] shape)
    {
        _shapes.Add(name, shape);
        return empty(shape, ScalarType.Float32, META);
    }
}
