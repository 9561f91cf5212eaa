using Batch.Inference.Kernels;
using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// Rotary positions (Su et al. 2021) in the half-split layout of Hugging Face checkpoints: dimension i turns together with dimension i + head_dim / 2.
/// The angles of every position are computed once, in double precision.
/// </summary>
internal sealed class RotaryEmbedding
{
    /// <param name="positions">How many positions to prepare: the model's context length.</param>
    public RotaryEmbedding(ModelConfig config, int headDim, int positions, ScalarType dtype, Device device)
    {
        config.Require("rope_interleaved", "false");
        if (config.Find("rope_scaling") is { } scaling)
        {
            throw new NotSupportedException($"{config.Path}: rope_scaling {scaling} is not supported");
        }
        if (headDim % 2 != 0)
        {
            throw new InvalidDataException($"{config.Path}: head_dim {headDim} is odd, rotary positions need pairs");
        }
        using var scope = NewDisposeScope();
        var theta = tensor((double)config.Float("rope_theta", 10_000f));
        var frequency = pow(theta, arange(0, headDim, 2, ScalarType.Float64) / -headDim); // [head_dim / 2]
        var half = outer(arange(0, positions, 1, ScalarType.Float64), frequency); // [positions, head_dim / 2]
        var angle = cat([half, half], 1);
        Cos = angle.cos().to(dtype, device).MoveToOuterDisposeScope();
        Sin = angle.sin().to(dtype, device).MoveToOuterDisposeScope();
    }

    /// <summary>[positions, head_dim]; the model owns it.</summary>
    public Tensor Cos { get; }

    /// <summary>[positions, head_dim]; the model owns it.</summary>
    public Tensor Sin { get; }

    /// <summary>The rotation of each row.</summary>
    /// <param name="positions">[tokens] int64</param>
    public Rotation At(Tensor positions) => new(Cos.index_select(0, positions).unsqueeze(1), Sin.index_select(0, positions).unsqueeze(1)); // [tokens, 1, head_dim]

    internal sealed record Rotation(Tensor Cos, Tensor Sin)
    {
        /// <param name="x">[tokens, heads, head_dim]</param>
        public Tensor Apply(Tensor x) => RowKernels.Serve(x) ? RotaryKernel.Apply(x, Cos, Sin) : Reference(x);

        /// <summary>By the framework's operators: what other devices take, and tests compare with.</summary>
        public Tensor Reference(Tensor x)
        {
            var halves = x.chunk(2, -1);
            return x * Cos + cat([-halves[1], halves[0]], -1) * Sin;
        }
    }
}
