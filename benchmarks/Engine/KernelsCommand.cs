using System.CommandLine;

namespace Batch.Benchmarks.Engine;

/// <summary>The small kernels, by BenchmarkDotNet.</summary>
internal static class KernelsCommand
{
    public static Command Create()
    {
        var command = new Command("kernels", "The own kernels beside the framework's operators, and the sampler");
        command.SetAction(_ =>
        {
            KernelBenchmarks.RunAll();
            SamplerBenchmarks.RunAll();
        });
        return command;
    }
}
