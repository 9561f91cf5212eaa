using Batch.Inference.Kernels;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Batch.Inference.Layers;

/// <summary>(x - mean) / sqrt(variance + epsilon) * weight + bias over the last dimension (Ba et al. 2016).</summary>
internal static class LayerNorm
{
    public static Tensor Forward(Tensor x, Tensor weight, Tensor bias, float epsilon) =>
        RowKernels.Serve(x) ? NormKernel.Layer(x, weight, bias, epsilon) : Reference(x, weight, bias, epsilon);

    /// <summary>By the framework's operators: what other devices take, and tests compare with.</summary>
    public static Tensor Reference(Tensor x, Tensor weight, Tensor bias, float epsilon) => layer_norm(x, [x.shape[^1]], weight, bias, epsilon);
}
