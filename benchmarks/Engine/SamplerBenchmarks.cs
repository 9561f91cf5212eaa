using Batch.Inference.Engine;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Batch.Benchmarks.Engine;

/// <summary>A step's 32 rows of logits, as GPT-2 and Qwen have them: some thousand tokens in play, and nearly all of them in play.</summary>
public class SamplerBenchmarks
{
    private const int Rows = 32;

    private float[] _logits = [], _row = [];
    private Sampler _sampler = null!;
    private List<Sequence> _sequences = [];

    [Params(50_257, 151_936)]
    public int Vocabulary { get; set; }

    [Params("greedy", "temperature", "top_k 50, top_p 0.95", "top_p 0.95", "flat, top_p 0.95", "logprobs 5")]
    public string Parameters { get; set; } = "";

    internal static void RunAll() => BenchmarkRunner.Run<SamplerBenchmarks>(ManualConfig.Create(DefaultConfig.Instance)
        .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)));

    [GlobalSetup]
    public void Setup()
    {
        var spread = Parameters.StartsWith("flat", StringComparison.Ordinal) ? 1 : 4;
        var random = new Random(5);
        _row = Enumerable.Range(0, Rows * Vocabulary).Select(_ => (float)(spread * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()))).ToArray();
        _logits = new float[_row.Length];
        _sampler = new Sampler(Vocabulary);
        var sampling = Parameters switch
        {
            "greedy" => new SamplingParams { Temperature = 0 },
            "temperature" => new SamplingParams { Temperature = 0.8f },
            "top_k 50, top_p 0.95" => new SamplingParams { Temperature = 0.8f, TopK = 50, TopP = 0.95f },
            "logprobs 5" => new SamplingParams { Temperature = 0.8f, Logprobs = 5 },
            _ => new SamplingParams { Temperature = 0.8f, TopP = 0.95f },
        };
        _sequences = [.. Enumerable.Range(0, Rows).Select(i => new Sequence(new GenerationRequest("row", [1], sampling), (ulong)i, null!, i))];
    }

    [Benchmark(OperationsPerInvoke = Rows)]
    public object Sample()
    {
        _row.CopyTo(_logits, 0); // as the model's output is
        return _sampler.Sample(_logits, Vocabulary, _sequences);
    }
}
