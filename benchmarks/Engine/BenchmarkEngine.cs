using System.Diagnostics;
using Batch.Inference.Engine;
using Batch.Inference.Kernels;
using Batch.Inference.Models;
using TorchSharp;

namespace Batch.Benchmarks.Engine;

/// <summary>Tokens a second, and how long the whole took.</summary>
internal readonly record struct Speed(double PrefillTokensPerSecond, double DecodeTokensPerSecond);

/// <summary>The engine as callers have it: requests in, updates out, sampling and scheduling included.</summary>
internal sealed class BenchmarkEngine : IAsyncDisposable
{
    private readonly LlmEngine _engine;
    private readonly KvCache _cache;
    private readonly int _vocabulary;
    private int _requests;

    private BenchmarkEngine(LlmEngine engine, KvCache cache, int vocabulary) => (_engine, _cache, _vocabulary) = (engine, cache, vocabulary);

    public LlmEngine Engine => _engine;

    /// <summary>Where the engine's time went since it was loaded.</summary>
    public required StepClock? Clock { get; init; }

    /// <param name="model">Puts another model around the loaded one.</param>
    /// <param name="profile">Measures where the time goes.</param>
    public static BenchmarkEngine Load(string folder, string dtype, int threads = 0, Action<EngineOptions>? configure = null, Func<CausalLM, CausalLM>? model = null, bool profile = false)
    {
        var options = new EngineOptions { ModelPath = folder, Device = "cpu", DType = dtype == "int8" ? "bfloat16" : dtype, WeightDType = dtype == "int8" ? "int8" : "auto", Threads = threads };
        configure?.Invoke(options);
        var vocabulary = ModelConfig.Load(folder).Int("vocab_size");
        var loaded = ModelLoader.Load(options, new IdTokenizer(vocabulary));
        var clock = profile ? new StepClock() : null;
        loaded = model is null ? loaded : loaded with { Runner = Around(loaded, model) };
        return new BenchmarkEngine(new LlmEngine(loaded, options, null, clock), loaded.Runner.Cache, vocabulary) { Clock = clock };
    }

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    /// <summary>Prompts that no earlier request began with, so that none is remembered.</summary>
    public int[] Prompt(int length)
    {
        var random = new Random(++_requests);
        return Enumerable.Range(0, length).Select(_ => random.Next(_vocabulary)).ToArray();
    }

    /// <summary>Runs one text to its end; returns when each of its tokens came.</summary>
    public async Task<List<long>> RunAsync(int[] prompt, int tokens, Action<int>? came = null)
    {
        var sampling = new SamplingParams { MaxTokens = tokens, IgnoreEos = true, Temperature = 0.8f, TopP = 0.95f, Seed = 1 };
        var times = new List<long>(tokens);
        await foreach (var _ in _engine.GenerateAsync(new GenerationRequest($"{prompt[0]}", prompt, sampling)))
        {
            times.Add(Stopwatch.GetTimestamp());
            came?.Invoke(times.Count);
        }
        return times;
    }

    /// <summary>
    /// Runs until the runtime has compiled for good what a step calls, which it does while the code runs. Before, takes all of the cache's memory, which a long run has
    /// used once and llama.cpp clears when it makes its own: on virtual machines the first use of a page takes longer than what is computed for it.
    /// </summary>
    public async Task WarmUpAsync(int batch)
    {
        using (torch.inference_mode())
        {
            foreach (var tensor in _cache.Keys.Concat(_cache.Values))
            {
                tensor.zero_();
            }
        }
        await MeasureAsync(Math.Min(batch, 4), 128, 128);
        await MeasureAsync(batch, 128, 24);
    }

    /// <summary>
    /// Prefill: from the first request to everybody's first token. Decode: from then until the first text ends, when all rows were decoding in every step.
    /// </summary>
    public async Task<Speed> MeasureAsync(int batch, int promptLength, int tokens)
    {
        var prompts = Enumerable.Range(0, batch).Select(_ => Prompt(promptLength)).ToArray();
        var start = Stopwatch.GetTimestamp();
        var times = await Task.WhenAll(prompts.Select(p => Task.Run(() => RunAsync(p, 1))));
        var prefill = batch * promptLength / Seconds(start, times.Max(t => t[^1]));
        // A second, longer run for decoding: early rows have some tokens more by the time that the last is prefilled.
        prompts = Enumerable.Range(0, batch).Select(_ => Prompt(promptLength)).ToArray();
        var extra = batch * promptLength / 512 + 1;
        times = await Task.WhenAll(prompts.Select(p => Task.Run(() => RunAsync(p, tokens + extra))));
        var (from, to) = (times.Max(t => t[0]), times.Min(t => t[^1]));
        var decoded = times.Sum(t => t.Count(at => at > from && at <= to));
        return new Speed(prefill, decoded / Seconds(from, to));
    }

    /// <summary>Seconds of one decoding step in each phase, while all rows decode.</summary>
    public async Task<double[]> ProfileAsync(int batch, int promptLength, int tokens)
    {
        var clock = Clock ?? throw new InvalidOperationException("loaded without a clock");
        var (waiting, last) = (batch, tokens + batch * promptLength / 512 + 1);
        var ((from, drawnBefore), (to, drawnAfter)) = ((Array.Empty<double>(), 0L), (Array.Empty<double>(), 0L));
        void Came(int token)
        {
            if (token == 1 && Interlocked.Decrement(ref waiting) == 0)
            {
                (from, drawnBefore) = (clock.Seconds(), _engine.DrawnTokens);
            }
            else if (token == last && Interlocked.Exchange(ref waiting, -1) == 0)
            {
                (to, drawnAfter) = (clock.Seconds(), _engine.DrawnTokens);
            }
        }
        await Task.WhenAll(Enumerable.Range(0, batch).Select(_ => Prompt(promptLength)).ToArray().Select(p => Task.Run(() => RunAsync(p, last, Came))));
        var steps = (drawnAfter - drawnBefore) / (double)batch;
        return [.. to.Zip(from, (after, before) => (after - before) / steps)];
    }

    private static ModelRunner Around(LoadedModel loaded, Func<CausalLM, CausalLM> model)
    {
        var outer = model(loaded.Runner.Model);
        var dtype = Devices.ResolveDType(loaded.Info.DType, torch.CPU);
        var cache = new KvCache(outer, loaded.Blocks.Blocks * loaded.Blocks.BlockSize, dtype, torch.CPU, Devices.CacheRun(torch.CPU, loaded.Blocks.BlockSize));
        return new ModelRunner(outer, cache, loaded.Blocks.BlockSize, torch.CPU);
    }

    public static double Seconds(long from, long to) => (to - from) / (double)Stopwatch.Frequency;
}
