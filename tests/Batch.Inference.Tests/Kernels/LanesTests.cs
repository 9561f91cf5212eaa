using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Kernels;

/// <summary>How elements lie in memory, against the framework's own conversion.</summary>
public unsafe class LanesTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Widen_GivesTheFrameworksFloat32_ForAnyLength(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        foreach (var length in new[] { 1, 15, 16, 4096, 70_001 })
        {
            var logits = randn(1, length).to(dtype);
            var target = new float[length + 1];

            LogitKernel.Widen(logits, target);

            Assert.Equal(logits.to(ScalarType.Float32).data<float>().ToArray(), target[..length]);
        }
    }

    [Fact]
    public void Pairs_RoundAsTheFrameworkDoes_AndComeBackWhole()
    {
        using var scope = NewDisposeScope();
        var x = cat([randn(28), tensor(new[] { float.NaN, float.PositiveInfinity, -0f, 1e-40f })]);
        var narrow = x.to(ScalarType.BFloat16);
        var (even, odd) = (x.reshape(16, 2).select(1, 0).contiguous(), x.reshape(16, 2).select(1, 1).contiguous());
        var stored = zeros(32, ScalarType.BFloat16);

        BFloat16Lanes.StorePair(Float32Lanes.Load(even.Pointer(), 0), Float32Lanes.Load(odd.Pointer(), 0), stored.Pointer(), 0);

        Assert.True(stored.to(ScalarType.Float32).allclose(narrow.to(ScalarType.Float32), 0, 0, equal_nan: true));
        var (first, second) = BFloat16Lanes.LoadPair(stored.Pointer(), 0);
        BFloat16Lanes.StorePair(first, second, narrow.Pointer(), 0);
        Assert.Equal(stored.bytes.ToArray(), narrow.bytes.ToArray());
        (first, second) = Float32Lanes.LoadPair(x.Pointer(), 0);
        Assert.Equal(x.data<float>().ToArray()[3], first[3]);
        Assert.Equal(x.data<float>().ToArray()[16], second[0]);
    }
}
