using Batch.Inference.Engine;
using Batch.Inference.Layers;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using static TorchSharp.torch;

namespace Batch.Benchmarks.Engine;

/// <summary>The own kernels beside the framework's operators, at the GPT-2 shape.</summary>
public class KernelBenchmarks
{
    private const int Hidden = 768, Inner = 3072;

    private Tensor _x = null!, _wide = null!, _weight = null!, _bias = null!;
    private Linear _packed = null!, _plain = null!;

    [Params(1, 32)]
    public int Rows { get; set; }

    [Params("float32", "bfloat16")]
    public string DType { get; set; } = "";

    internal static void RunAll() => BenchmarkRunner.Run<KernelBenchmarks>(ManualConfig.Create(DefaultConfig.Instance)
        .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)).WithOptions(ConfigOptions.JoinSummary));

    [GlobalSetup]
    public void Setup()
    {
        var dtype = Devices.ResolveDType(DType, Devices.Resolve("cpu"));
        (_x, _wide) = (randn(Rows, Hidden).to(dtype), randn(Rows, Inner).to(dtype));
        (_weight, _bias) = (randn(Hidden).to(dtype), randn(Hidden).to(dtype));
        (_packed, _plain) = (Linear.Create(randn(Inner, Hidden).to(dtype), null), new PlainLinear(randn(Inner, Hidden).to(dtype), null));
    }

    [Benchmark]
    public void LinearPacked() => _packed.Forward(_x).Dispose();

    [Benchmark]
    public void LinearFramework() => _plain.Forward(_x).Dispose();

    [Benchmark]
    public void LayerNormOwn() => LayerNorm.Forward(_x, _weight, _bias, 1e-5f).Dispose();

    [Benchmark]
    public void LayerNormFramework() => LayerNorm.Reference(_x, _weight, _bias, 1e-5f).Dispose();

    [Benchmark]
    public void RmsNormOwn() => RmsNorm.Forward(_x, _weight, 1e-5f).Dispose();

    [Benchmark]
    public void RmsNormFramework()
    {
        using var scope = NewDisposeScope();
        RmsNorm.Reference(_x, _weight, 1e-5f);
    }

    [Benchmark]
    public void GeluOwn() => Activation.Gelu(_wide).Dispose();

    [Benchmark]
    public void GeluFramework()
    {
        using var scope = NewDisposeScope();
        Activation.GeluReference(_wide);
    }
}
