using Batch.Inference.Kernels;
using Batch.Inference.Layers;
using CsCheck;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Layers;

/// <summary>The own kernels against the framework's operators in double precision, and each row against itself beside other rows.</summary>
public class RowKernelTests
{
    private static readonly Gen<(int Rows, int Dim, ScalarType DType, int Seed)> Shapes =
        Gen.Select(Gen.Int[1, 70], Gen.Int[4, 60].Select(n => 2 * n), Gen.Bool.Select(half => half ? ScalarType.BFloat16 : ScalarType.Float32), Gen.Int[0, 1 << 20]);

    [Fact]
    public void RmsNorm_GivesItsFormula() => Check(1, (x, w, _) => RmsNorm.Forward(x, w, 1e-5f), (x, w, _) => RmsNorm.Reference(x, w, 1e-5f));

    [Fact]
    public void LayerNorm_GivesItsFormula() => Check(1, (x, w, b) => LayerNorm.Forward(x, w, b, 1e-5f), (x, w, b) => LayerNorm.Reference(x, w, b, 1e-5f));

    [Fact]
    public void Gelu_GivesItsFormula() => Check(8, (x, _, _) => Activation.Gelu(x), (x, _, _) => Activation.GeluReference(x));

    [Fact]
    public void SwiGlu_GivesItsFormula() => Check(8, (x, _, _) => Activation.SwiGlu(x, x - 2), (x, _, _) => Activation.SwiGluReference(x, x - 2));

    [Fact]
    public void GeGlu_GivesItsFormula() => Check(8, (x, _, _) => Activation.GeGlu(x, x + 1), (x, _, _) => Activation.GeluReference(x) * (x + 1));

    [Fact]
    public void Activations_StaySound_AtTheEdges()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new[] { 0f, -0f, 90f, -90f, 1e30f, -1e30f, float.PositiveInfinity, 1e-30f }).reshape(1, 8);

        Assert.Equal([0f, 0f, 90f, 0f, 1e30f, 0f, float.PositiveInfinity, 5e-31f], Activation.Gelu(x).data<float>().ToArray().Select(v => MathF.Abs(v) < 1e-35f ? 0f : v), Close);
        Assert.True(Activation.Gelu(tensor(new[] { float.NaN }).reshape(1, 1)).isnan().item<bool>());
        Assert.True(Activation.Gelu(tensor(new[] { float.NaN }).reshape(1, 1).to(ScalarType.BFloat16)).isnan().item<bool>());
    }

    [Fact]
    public void Exponential_IsWithinTwoUnitsInTheLastPlace_AndSoundAtTheEdges()
    {
        for (var x = -86.4f; x < 88.7f; x += 0.0137f)
        {
            var expected = Math.Exp(x);
            Assert.InRange(Exponential.Of(x), expected * (1 - 2.4e-7), expected * (1 + 2.4e-7));
        }
        Assert.Equal([1f, 0f, 0f, float.PositiveInfinity, float.PositiveInfinity], new[] { 0f, -90f, float.NegativeInfinity, 89f, float.PositiveInfinity }.Select(Exponential.Of));
        Assert.True(float.IsNaN(Exponential.Of(float.NaN)));
    }

    [Theory]
    [InlineData(ScalarType.Float32, 64, 64)]
    [InlineData(ScalarType.BFloat16, 64, 64)]
    [InlineData(ScalarType.Float32, 40, 12)]
    public void Rotation_GivesItsFormula_AlsoForPartOfAHeadAndForViews(ScalarType dtype, int dim, int rotary)
    {
        using var scope = NewDisposeScope();
        manual_seed(8);
        var (wide, angle) = (randn(9, 6, dim).to(dtype), randn(9, 1, rotary / 2, dtype: ScalarType.Float64));
        var x = wide.narrow(1, 2, 3);
        var (cos, sin) = (cat([angle, angle], -1).cos(), cat([angle, angle], -1).sin());

        var y = new RotaryEmbedding.Rotation(cos.to(dtype), sin.to(dtype)).Apply(x);

        var turned = x.narrow(-1, 0, rotary).to(ScalarType.Float64);
        var halves = turned.chunk(2, -1);
        var expected = cat([turned * cos + cat([-halves[1], halves[0]], -1) * sin, x.narrow(-1, rotary, dim - rotary).to(ScalarType.Float64)], -1);
        AssertClose(expected, y, 1);
    }

    private static void Check(float spread, Func<Tensor, Tensor, Tensor, Tensor> own, Func<Tensor, Tensor, Tensor, Tensor> reference) => Shapes.Sample(shape =>
    {
        using var scope = NewDisposeScope();
        manual_seed(shape.Seed);
        Tensor Draw(params long[] size) => (randn(size) * spread).to(shape.DType);
        var (x, weight, bias) = (Draw(shape.Rows, shape.Dim), Draw(shape.Dim), Draw(shape.Dim));
        static Tensor Wide(Tensor t) => t.to(ScalarType.Float64);

        var y = own(x, weight, bias);

        Assert.Equal(x.dtype, y.dtype);
        AssertClose(reference(Wide(x), Wide(weight), Wide(bias)), y, spread);
        var first = own(x.narrow(0, 0, 1), weight, bias);
        Assert.True(first.eq(y.narrow(0, 0, 1)).all().item<bool>(), "the first row differs when it is alone");
    }, iter: 40);

    private static void AssertClose(Tensor expected, Tensor actual, float spread)
    {
        var error = ((actual.to(ScalarType.Float64) - expected).abs() / (spread + expected.abs())).max().item<double>();
        Assert.InRange(error, 0, actual.dtype == ScalarType.BFloat16 ? 1.0 / 100 : 4e-6);
    }

    private static bool Close(float a, float b) => a == b || Math.Abs(a - b) <= 1e-6 * Math.Abs(b);
}
