using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>x / rms(x) * weight over the last dimension (Zhang and Sennrich 2019), the mean taken in float32 as the reference does.</summary>
internal static class RmsNorm
{
    public static Tensor Forward(Tensor x, Tensor weight, float epsilon) =>
        RowKernels.Serve(x) ? NormKernel.Rms(x, weight, epsilon) : Reference(x, weight, epsilon);

    /// <summary>Gemma's: x / rms(x) * (1 + weight), in float32 to the end.</summary>
    public static Tensor ForwardOnePlus(Tensor x, Tensor weight, float epsilon) =>
        RowKernels.Serve(x) ? NormKernel.Rms(x, weight, epsilon, onePlus: true) : ReferenceOnePlus(x, weight, epsilon);

    /// <summary>By the framework's operators: what other devices take, and tests compare with.</summary>
    public static Tensor Reference(Tensor x, Tensor weight, float epsilon) => Unit(x, epsilon).to(x.dtype) * weight;

    /// <inheritdoc cref="Reference"/>
    public static Tensor ReferenceOnePlus(Tensor x, Tensor weight, float epsilon) => (Unit(x, epsilon) * (1 + weight.to(ScalarType.Float32))).to(x.dtype);

    private static Tensor Unit(Tensor x, float epsilon)
    {
        var wide = x.to(ScalarType.Float32);
        return wide * (wide.square().mean([-1], keepdim: true) + epsilon).rsqrt();
    }
}
