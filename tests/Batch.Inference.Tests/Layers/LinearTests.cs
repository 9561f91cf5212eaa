using Batch.Inference.Layers;
using CsCheck;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Layers;

public class LinearTests
{
    private static readonly Gen<(int Inputs, int Outputs, int Rows, bool Bias, ScalarType DType)> Shapes =
        Gen.Select(Gen.Int[1, 150].Select(n => 2 * n), Gen.Int[1, 200], Gen.Int[1, 150], Gen.Bool, Gen.Bool.Select(half => half ? ScalarType.BFloat16 : ScalarType.Float32));

    [Fact]
    public void Forward_PackedAgreesWithPlain_ForAnyShape() => ForEachShape(shape =>
    {
        if (!PackedLinear.Serves(shape.DType))
        {
            return;
        }
        using var scope = NewDisposeScope();
        var (weight, bias, x) = Draw(shape.Inputs, shape.Outputs, shape.Rows, shape.Bias, shape.DType);
        using var plain = new PlainLinear(weight.clone(), bias?.clone());
        using var packed = new PackedLinear(weight, bias);

        var (expected, y) = (plain.Forward(x), packed.Forward(x));

        Assert.Equal(expected.shape, y.shape);
        Assert.Equal(expected.dtype, y.dtype);
        // The sums are taken in another order; bfloat16 keeps 8 bits of each result.
        var tolerance = shape.DType == ScalarType.BFloat16 ? 1f / 128 : 1e-5f; // one chain of up to 300 additions
        var error = ((y - expected).abs().to(ScalarType.Float32) / (1 + expected.abs().to(ScalarType.Float32))).max().item<float>();
        Assert.InRange(error, 0f, tolerance);
    }, iter: 60);

    [Fact]
    public void Forward_AddsTheResidual_ForAnyShape() => ForEachShape(shape =>
    {
        if (!PackedLinear.Serves(shape.DType))
        {
            return;
        }
        using var scope = NewDisposeScope();
        var (weight, bias, x) = Draw(shape.Inputs, shape.Outputs, shape.Rows, shape.Bias, shape.DType);
        var residual = randn(shape.Rows, shape.Outputs).to(shape.DType);
        var expected = x.to(ScalarType.Float64).matmul(weight.to(ScalarType.Float64).t()) + residual;
        expected = bias is null ? expected : expected + bias;
        using var packed = new PackedLinear(weight, bias);

        var y = packed.Forward(x, residual);

        Assert.Equal(shape.DType, y.dtype);
        var tolerance = shape.DType == ScalarType.BFloat16 ? 1.0 / 250 : 1e-5; // rounded once, after one chain of additions
        Assert.InRange(((y - expected).abs() / (1 + expected.abs())).max().item<double>(), 0, tolerance);
        var first = packed.Forward(x.narrow(0, 0, 1), residual.narrow(0, 0, 1));
        Assert.True(first.eq(y.narrow(0, 0, 1)).all().item<bool>(), "the first row differs when it is alone");
    }, iter: 40);

    [Fact]
    public void Rows_AreTheWeightsOwn_BitForBit() => ForEachShape(shape =>
    {
        if (!PackedLinear.Serves(shape.DType))
        {
            return;
        }
        using var scope = NewDisposeScope();
        var (weight, _, _) = Draw(shape.Inputs, shape.Outputs, 1, false, shape.DType);
        var ids = tensor(new long[] { shape.Outputs - 1, 0, shape.Outputs / 2, 0 });
        var expected = weight.index_select(0, ids);
        using var packed = new PackedLinear(weight.clone(), null);

        Assert.True(packed.Rows(ids).equal(expected).all().item<bool>());
    }, iter: 40);

    [Theory]
    [InlineData(ScalarType.Float32, 64, 96, 200)]
    [InlineData(ScalarType.BFloat16, 64, 96, 200)]
    [InlineData(ScalarType.Float32, 768, 70, 67)]
    [InlineData(ScalarType.BFloat16, 768, 70, 67)]
    [InlineData(ScalarType.Float32, 3072, 33, 40)]
    [InlineData(ScalarType.BFloat16, 3072, 33, 40)]
    public void Forward_RowIsTheSame_BitForBit_WhateverTheRowsBesideIt(ScalarType dtype, int inputs, int outputs, int rows)
    {
        SkipUnlessServed(dtype);
        using var scope = NewDisposeScope();
        var (weight, bias, x) = Draw(inputs, outputs, rows, true, dtype);
        using var packed = new PackedLinear(weight, bias);
        var together = packed.Forward(x);

        for (var count = 1; count <= rows; count++)
        {
            var first = rows - count;
            Assert.True(packed.Forward(x.narrow(0, first, count)).eq(together.narrow(0, first, count)).all().item<bool>(), $"{count} rows");
        }
    }

    [Fact]
    public void Create_TakesAnyStrides()
    {
        using var scope = NewDisposeScope();
        var weight = randn(48, 80);
        using var linear = Linear.Create(weight.t(), null); // [80, 48]
        var x = randn(3, 48);

        Assert.True(linear.Forward(x).allclose(x.matmul(weight), 1e-5, 1e-5));
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
        Shapes.Sample(check, iter: iter);
    }

    private static void SkipUnlessServed(ScalarType dtype) => Assert.SkipUnless(PackedLinear.Serves(dtype), $"this processor has no packed {dtype} kernel");
}
