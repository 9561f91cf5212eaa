using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// y = x W^T + b. There are two, chosen once, at load: <see cref="PlainLinear"/>, the framework's, which every device and dtype has and which tests take for the
/// reference, and <see cref="PackedLinear"/> for processors that have its kernels. The model owns it.
/// </summary>
internal abstract class Linear : IDisposable
{
    /// <param name="weight">[out, in], as most checkpoints store it, in any strides. The layer takes it over.</param>
    /// <param name="bias">[out]; the layer takes it over.</param>
    /// <param name="memory">Where a packed weight goes; must live as long as the layer.</param>
    /// <param name="int8">Rounds the weight to 8 bits.</param>
    public static Linear Create(Tensor weight, Tensor? bias, WeightMemory? memory = null, bool int8 = false) =>
        PackedLinear.Serves(weight) ? new PackedLinear(weight, bias, memory, int8)
        : !int8 ? new PlainLinear(weight, bias)
        : throw new NotSupportedException($"WeightDType is int8, for which there is no kernel here: a weight [{string.Join(", ", weight.shape)}] of {weight.dtype} on {weight.device}");

    /// <param name="x">[…, in]</param>
    /// <returns>[…, out]</returns>
    public abstract Tensor Forward(Tensor x);

    /// <summary>The product added to a residual stream.</summary>
    /// <param name="x">[…, in]</param>
    /// <param name="residual">[…, out]</param>
    /// <returns>[…, out]</returns>
    public virtual Tensor Forward(Tensor x, Tensor residual) => residual + Forward(x);

    /// <summary>Rows of the weight, as an embedding tied to this layer takes them.</summary>
    /// <param name="outputs">[rows] int64, each below out.</param>
    /// <returns>[rows, in]</returns>
    public abstract Tensor Rows(Tensor outputs);

    public abstract void Dispose();
}

/// <summary>The framework's matrix product.</summary>
internal sealed class PlainLinear(Tensor weight, Tensor? bias) : Linear
{
    private readonly Tensor weight = weight.DetachFromDisposeScope();
    private readonly Tensor? bias = bias?.DetachFromDisposeScope();

    public override Tensor Forward(Tensor x)
    {
        using var lap = StepClock.In(StepPhase.Products);
        return nn.functional.linear(x, weight, bias);
    }

    public override Tensor Rows(Tensor outputs) => weight.index_select(0, outputs);

    public override void Dispose()
    {
        weight.Dispose();
        bias?.Dispose();
    }
}
