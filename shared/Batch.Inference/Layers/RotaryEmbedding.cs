using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// Rotary positions (Su et al. 2021) in the half-split layout of Hugging Face checkpoints: of the first rotary dimensions, i turns together with i + half of
/// them; the others stay. The angles of every position are computed once, in double precision.
/// </summary>
internal sealed class RotaryEmbedding
{
    private const int Piece = 8192;

    /// <param name="positions">How many positions to prepare.</param>
    public RotaryEmbedding(RopeFrequencies rope, int positions, ScalarType dtype, Device device)
    {
        var half = rope.Frequencies.Length;
        (Cos, Sin) = (empty([positions, 2 * half], dtype, device), empty([positions, 2 * half], dtype, device));
        // Piece by piece: in double precision a context of a million tokens would take gigabytes.
        for (var start = 0; start < positions; start += Piece)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(Piece, positions - start);
            var angle = outer(arange(start, start + count, 1, ScalarType.Float64, device), tensor(rope.Frequencies, ScalarType.Float64, device)); // [count, rotary / 2]
            foreach (var (table, values) in new[] { (Cos, angle.cos() * rope.Magnitude), (Sin, angle.sin() * rope.Magnitude) })
            {
                var rows = table.narrow(0, start, count);
                rows.narrow(1, 0, half).copy_(values);
                rows.narrow(1, half, half).copy_(values);
            }
        }
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
        private Rotation? _there; // on the device of later layers

        /// <param name="x">[tokens, heads, head_dim]</param>
        public Tensor Apply(Tensor x) => RowKernels.Serve(x) ? RotaryKernel.Apply(x, Cos, Sin) : On(x.device).Reference(x);

        /// <summary>By the framework's operators: what other devices take, and tests compare with.</summary>
        public Tensor Reference(Tensor x)
        {
            var (rotary, headDim) = (Cos.shape[^1], x.shape[^1]);
            return rotary == headDim ? Turn(x) : cat([Turn(x.narrow(-1, 0, rotary)), x.narrow(-1, rotary, headDim - rotary)], -1);
        }

        private Rotation On(Device device)
        {
            if (IsOn(device))
            {
                return this;
            }
            return _there = _there is not null && _there.IsOn(device) ? _there : new Rotation(Cos.to(device), Sin.to(device));
        }

        private bool IsOn(Device device) => Cos.device_type == device.type && Cos.device_index == device.index;

        private Tensor Turn(Tensor x)
        {
            var halves = x.chunk(2, -1);
            return x * Cos + cat([-halves[1], halves[0]], -1) * Sin;
        }
    }
}
