using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>y = x W^T + b, the weight as checkpoints store it: [out, in].</summary>
internal sealed record Linear(Tensor Weight, Tensor? Bias)
{
    public Tensor Forward(Tensor x) => nn.functional.linear(x, Weight, Bias);
}
