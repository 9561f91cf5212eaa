using Batch.Inference.Kernels;
using Batch.Inference.Layers;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Layers;

public class PackedWeightTests
{
    public static MatrixTheoryData<ScalarType, bool, int, int> Weights => new([ScalarType.Float32, ScalarType.BFloat16], [false, true], [2, 768, 770, 2600], [2, 8, 9, 16, 17, 40]);

    [Theory]
    [MemberData(nameof(Weights))]
    public unsafe void Multiply_GivesARowAloneTheSums_BitForBit_ThatItHasBesideOthers(ScalarType dtype, bool rounded, int inputs, int rows)
    {
        Assert.SkipUnless(PackedLinear.Serves(dtype), $"this processor has no packed {dtype} kernel");
        using var scope = NewDisposeScope();
        using var memory = new WeightMemory();
        var weight = PackedWeight.Create(randn(PackedWeight.Tile, inputs).to(dtype), memory, int8: rounded);
        var x = randn(rows, inputs).to(dtype);
        var (together, alone) = (new float[rows * PackedWeight.Tile], new float[PackedWeight.Tile]);
        fixed (float* all = together, one = alone)
        {
            weight.Multiply(0, rows, x.to(weight.Computes).Pointer(), all);
            for (var row = 0; row < rows; row++)
            {
                weight.Multiply(0, 1, x[row].to(ScalarType.Float32).Pointer(), one);

                Assert.Equal(together[(row * PackedWeight.Tile)..((row + 1) * PackedWeight.Tile)], alone);
            }
        }
    }
}
