using Batch.Inference.Engine;
using Batch.Inference.Layers;
using Batch.Inference.Tests.Engine;
using CsCheck;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Layers;

public class Int8LinearTests
{
    private static readonly Gen<(int Inputs, int Outputs, int Rows, bool Bias, ScalarType DType)> Shapes =
        Gen.Select(Gen.Int[1, 1100].Select(n => 2 * n), Gen.Int[1, 150], Gen.Int[1, 100], Gen.Bool, Gen.Bool.Select(half => half ? ScalarType.BFloat16 : ScalarType.Float32));

    [Fact]
    public void Forward_IsTheProductOfTheRoundedWeights() => ForEachShape(shape =>
    {
        using var scope = NewDisposeScope();
        var (weight, bias, x) = Draw(shape.Inputs, shape.Outputs, shape.Rows, shape.Bias, shape.DType);
        // An own reading of the rounding, by the framework, in double precision.
        var expected = matmul(x.to(ScalarType.Float64), Rounded(weight).t());
        expected = bias is null ? expected : expected + bias.to(ScalarType.Float64);
        using var linear = new PackedLinear(weight, bias, int8: true);

        var y = linear.Forward(x);

        Assert.Equal(shape.DType, y.dtype);
        Assert.Equal(expected.shape, y.shape);
        var tolerance = shape.DType == ScalarType.BFloat16 ? 1f / 256 : 1e-5f;
        Assert.InRange(((y.to(ScalarType.Float64) - expected).abs() / (1 + expected.abs())).max().item<double>(), 0, tolerance);
    }, iter: 60);

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Forward_StaysNearTheProductOfTheWholeWeights(ScalarType dtype)
    {
        SkipUnlessServed(dtype);
        using var scope = NewDisposeScope();
        var (weight, bias, x) = Draw(1024, 96, 40, true, dtype);
        x.select(1, 5).mul_(100); // an outlier, as large models have them
        using var plain = new PlainLinear(weight.clone(), bias!.clone());
        using var linear = new PackedLinear(weight, bias, int8: true);

        var (expected, y) = (plain.Forward(x).to(ScalarType.Float32), linear.Forward(x).to(ScalarType.Float32));

        Assert.InRange(((y - expected).norm() / expected.norm()).item<float>(), 0, 0.02f);
    }

    [Theory]
    [InlineData(ScalarType.Float32, 770, 70, 70)]
    [InlineData(ScalarType.BFloat16, 64, 96, 200)]
    [InlineData(ScalarType.BFloat16, 2600, 33, 40)]
    [InlineData(ScalarType.Float32, 2600, 33, 40)]
    public void Forward_RowIsTheSame_BitForBit_WhateverTheRowsBesideIt(ScalarType dtype, int inputs, int outputs, int rows)
    {
        SkipUnlessServed(dtype);
        using var scope = NewDisposeScope();
        var (weight, bias, x) = Draw(inputs, outputs, rows, true, dtype);
        using var linear = new PackedLinear(weight, bias, int8: true);
        var together = linear.Forward(x);

        for (var count = 1; count <= rows; count++)
        {
            var first = rows - count;
            Assert.True(linear.Forward(x.narrow(0, first, count)).eq(together.narrow(0, first, count)).all().item<bool>(), $"{count} rows");
        }
    }

    [Fact]
    public void Rows_AreTheRoundedWeights() => ForEachShape(shape =>
    {
        using var scope = NewDisposeScope();
        var (weight, _, _) = Draw(shape.Inputs, shape.Outputs, 1, false, shape.DType);
        var ids = tensor(new long[] { shape.Outputs - 1, 0, shape.Outputs / 2, 0 });
        var expected = Rounded(weight).index_select(0, ids).to(shape.DType);
        using var linear = new PackedLinear(weight, null, int8: true);

        Assert.True(linear.Rows(ids).allclose(expected, 0.01, 1e-6));
    }, iter: 20);

    [Fact]
    public void Load_NamesRoundedWeights_WhereResultsNameTheirModel()
    {
        SkipUnlessServed(ScalarType.Float32);
        using var folder = TinyModel.Create("llama");
        LoadedModel Load(string weights) => ModelLoader.Load(new EngineOptions { ModelPath = folder.Path, Device = "cpu", Threads = 1, WeightDType = weights }, new CharacterTokenizer(TinyModel.Vocabulary));
        var (whole, rounded) = (Load("auto"), Load("int8"));

        Assert.Equal($"{whole.Info.Identity}+int8", rounded.Info.Identity);
        Assert.Equal("int8", rounded.Info.Provenance.Kernels["products"]);
        Assert.Contains("WeightDType must be auto or int8, was 'int4'", Assert.Throws<ArgumentException>(() => Load("int4")).Message, StringComparison.Ordinal);
        whole.Runner.Dispose();
        rounded.Runner.Dispose();
    }

    private static Tensor Rounded(Tensor weight)
    {
        var wide = weight.to(ScalarType.Float32);
        var largest = wide.abs().amax([1], keepdim: true);
        return (wide * (full_like(largest, 127) / largest)).round().to(ScalarType.Float64) * (largest / 127).to(ScalarType.Float64);
    }

    private static (Tensor Weight, Tensor? Bias, Tensor X) Draw(int inputs, int outputs, int rows, bool bias, ScalarType dtype)
    {
        using var generator = new Generator(17);
        Tensor Normal(params long[] shape) => randn(shape, generator: generator);
        return ((Normal(outputs, inputs) / Math.Sqrt(inputs)).to(dtype), bias ? Normal(outputs).to(dtype) : null, Normal(rows, inputs).to(dtype));
    }

    // CsCheck takes a skip for a failure, so it is decided before.
    private static void ForEachShape(Action<(int Inputs, int Outputs, int Rows, bool Bias, ScalarType DType)> check, int iter)
    {
        SkipUnlessServed(ScalarType.Float32);
        SkipUnlessServed(ScalarType.BFloat16);
        Shapes.Sample(check, iter: iter);
    }

    private static void SkipUnlessServed(ScalarType dtype) => Assert.SkipUnless(PackedLinear.Serves(dtype), $"this processor has no packed {dtype} kernel");
}
