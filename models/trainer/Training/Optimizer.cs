using static TorchSharp.torch;

namespace Batch.ModelTrainer.Training;

/// <summary>
/// Moves the weights: the projections by Muon, the embedding and the norms by Adam (Kingma and Ba 2015), with decoupled weight decay
/// (Loshchilov and Hutter 2019) on matrices. Its state is plain tensors, easy to save.
/// </summary>
internal sealed class Optimizer : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-8, WeightDecay = 0.1, LargestNorm = 1;

    private readonly IReadOnlyDictionary<string, Tensor> _weights;

    public Optimizer(IReadOnlyDictionary<string, Tensor> weights)
    {
        _weights = weights;
        Means = weights.ToDictionary(entry => entry.Key, entry => Zeros(entry.Value));
        Squares = weights.Where(entry => !TakesMuon(entry.Key)).ToDictionary(entry => entry.Key, entry => Zeros(entry.Value));
    }

    /// <summary>Running means of the gradients, by weight.</summary>
    public IReadOnlyDictionary<string, Tensor> Means { get; }

    /// <summary>Running means of the squared gradients, of the weights that Adam moves.</summary>
    public IReadOnlyDictionary<string, Tensor> Squares { get; }

    /// <summary>Moves every weight, then forgets the gradients. Returns the gradients' norm before clipping.</summary>
    /// <param name="step">Counts from one.</param>
    /// <param name="rate">The learning rate of this step.</param>
    public double Step(int step, double rate)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var norm = Math.Sqrt(_weights.Values.Select(weight => weight.grad!.square().sum()).Aggregate((a, b) => a + b).item<float>());
        foreach (var (name, weight) in _weights)
        {
            var gradient = weight.grad!.mul_(Math.Min(1, LargestNorm / norm));
            var direction = TakesMuon(name) ? Muon.Direction(gradient, Means[name]) : AdamDirection(gradient, Means[name], Squares[name], step);
            if (weight.dim() > 1)
            {
                weight.mul_(1 - rate * WeightDecay);
            }
            weight.add_(direction, -rate);
            gradient.zero_();
        }
        return norm;
    }

    public void Dispose()
    {
        foreach (var tensor in Means.Values.Concat(Squares.Values))
        {
            tensor.Dispose();
        }
    }

    private static Tensor AdamDirection(Tensor gradient, Tensor mean, Tensor square, int step)
    {
        mean.mul_(Beta1).add_(gradient, 1 - Beta1);
        square.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        var deviation = (square / (1 - Math.Pow(Beta2, step))).sqrt_().add_(Epsilon);
        return mean / (1 - Math.Pow(Beta1, step)) / deviation;
    }

    private static bool TakesMuon(string name) => name.EndsWith("_proj.weight", StringComparison.Ordinal);

    private static Tensor Zeros(Tensor like) => zeros_like(like, requires_grad: false).DetachFromDisposeScope();
}
