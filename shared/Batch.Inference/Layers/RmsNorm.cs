using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>x / rms(x) * weight over the last dimension (Zhang and Sennrich 2019), the mean taken in float32 as the reference does.</summary>
internal static class RmsNorm
{
    public static Tensor Forward(Tensor x, Tensor weight, float epsilon) =>
        RowKernels.Serve(x) ? NormKernel.Rms(x, weight, epsilon) : Reference(x, weight, epsilon);

    /// <summary>By the framework's operators: what other devices take, and tests compare with.</summary>
    public static Tensor Reference(Tensor x, Tensor weight, float epsilon)
    {
        var wide = x.to(ScalarType.Float32);
        var scaled = wide * (wide.square().mean([-1], keepdim: true) + epsilon).rsqrt();
        return scaled.to(x.dtype) * weight;
    }
}
