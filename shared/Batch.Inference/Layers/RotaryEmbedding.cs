using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// Rotary positions (Su et al. 2021) in the half-split layout of Hugging Face checkpoints: of the first rotary dimensions, i turns together with i + half of
/// them; the others stay. The angles of every position are computed once, in double precision.
/// </summary>
internal sealed class RotaryEmbedding
{
    /// <param name="positions">How many positions to prepare.</param>
    public RotaryEmbedding(RopeFrequencies rope, int positions, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        var half = outer(arange(0, positions, 1, ScalarType.Float64, device), tensor(rope.Frequencies, ScalarType.Float64, device)); // [positions, rotary / 2]
        var angle = cat([half, half], 1);
        Cos = (angle.cos() * rope.Magnitude).to(dtype).MoveToOuterDisposeScope();
        Sin = (angle.sin() * rope.Magnitude).to(dtype).MoveToOuterDisposeScope();
    }

    /// <summary>[positions, rotary]; the model owns it.</summary>
    public Tensor Cos { get; }

    /// <summary>[positions, rotary]; the model owns it.</summary>
    public Tensor Sin { get; }

    /// <summary>The rotation of each row.</summary>
    /// <param name="positions">[tokens] int64</param>
    public Rotation At(Tensor positions) => new(Cos.index_select(0, positions).unsqueeze(1), Sin.index_select(0, positions).unsqueeze(1)); // [tokens, 1, rotary]

    internal sealed record Rotation(Tensor Cos, Tensor Sin)
    {
        /// <param name="x">[tokens, heads, head_dim]</param>
        public Tensor Apply(Tensor x) => RowKernels.Serve(x) ? RotaryKernel.Apply(x, Cos, Sin) : Reference(x);

        /// <summary>By the framework's operators: what other devices take, and tests compare with.</summary>
        public Tensor Reference(Tensor x)
        {
            var (rotary, headDim) = (Cos.shape[^1], x.shape[^1]);
            return rotary == headDim ? Turn(x) : cat([Turn(x.narrow(-1, 0, rotary)), x.narrow(-1, rotary, headDim - rotary)], -1);
        }

        private Tensor Turn(Tensor x)
        {
            var halves = x.chunk(2, -1);
            return x * Cos + cat([-halves[1], halves[0]], -1) * Sin;
        }
    }
}
