using Batch.Inference.Kernels;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Batch.Inference.Layers;

/// <summary>The activations of feed-forward layers. The References are the framework's operators: what other devices take, and tests compare with.</summary>
internal static class Activation
{
    /// <summary>silu(gate) * up: SwiGLU (Shazeer 2020).</summary>
    /// <param name="gate">[tokens, inner]</param>
    /// <param name="up">[tokens, inner]</param>
    public static Tensor SwiGlu(Tensor gate, Tensor up) => RowKernels.Serve(gate) ? ActivationKernel.Silu(gate, up) : SwiGluReference(gate, up);

    /// <summary>gelu(gate) * up in the tanh form: GeGLU (Shazeer 2020).</summary>
    /// <param name="gate">[tokens, inner]</param>
    /// <param name="up">[tokens, inner]</param>
    public static Tensor GeGlu(Tensor gate, Tensor up) => RowKernels.Serve(gate) ? ActivationKernel.Gelu(gate, up) : GeluReference(gate) * up;

    /// <summary>0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), "gelu_new" (Hendrycks and Gimpel 2016).</summary>
    /// <param name="x">[tokens, inner]</param>
    public static Tensor Gelu(Tensor x) => RowKernels.Serve(x) ? ActivationKernel.Gelu(x, null) : GeluReference(x);

    public static Tensor SwiGluReference(Tensor gate, Tensor up) => silu(gate) * up;

    public static Tensor GeluReference(Tensor x) => 0.5 * x * (1 + tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x.pow(3))));
}
