using Batch.Inference.Engine;
using Batch.Inference.Layers;
using Batch.Inference.Models;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Engine;

/// <summary>Several devices and too little memory, played by the CPU.</summary>
public class DeviceTests
{
    private static readonly SamplingParams Sampling = new() { Seed = 5, MaxTokens = 30 };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GenerateAsync_SameTexts_OnOneDeviceAndOnTwo()
    {
        using var folder = TinyModel.Create("llama");
        var prompts = EngineRuns.Prompts(16);
        await using var one = folder.Engine();
        var engines = Enumerable.Range(0, 2).Select(_ => folder.Engine()).ToArray();
        await using var two = new EngineReplicas(engines);

        var expected = await Task.WhenAll(prompts.Select((p, i) => one.RunAsync($"{i}", p, Sampling, Token)));
        var texts = await Task.WhenAll(prompts.Select((p, i) => two.RunAsync($"{i}", p, Sampling, Token)));

        Assert.Equal(expected, texts);
        Assert.Equal("cpu,cpu", two.Model.Device);
    }

    [Fact]
    public async Task GenerateAsync_TakesTheDeviceWithTheLeastAhead()
    {
        using var folder = TinyModel.Create("llama");
        await using var busy = folder.Engine();
        await using var idle = folder.Engine();
        await using var two = new EngineReplicas([busy, idle]);
        await using var first = two.GenerateAsync(new GenerationRequest("long", [1, 2, 3], new SamplingParams { MaxTokens = 90, IgnoreEos = true }), Token).GetAsyncEnumerator(Token);
        Assert.True(await first.MoveNextAsync());

        await two.RunAsync("second", [4], Sampling, Token);
        var third = await LastAsync(two, [.. Enumerable.Repeat(9, 40)]); // idle again: the same engine as the second's
        var fourth = await LastAsync(two, [.. Enumerable.Repeat(9, 40)]);

        Assert.Equal((0, 32), (third.CachedTokens, fourth.CachedTokens)); // only that engine knows the prompt
    }

    [Fact]
    public async Task Load_PutsAReplicaOnEachDevice()
    {
        var data = TestData.Require("stories260K");
        var progress = new List<int>();
        await using var engine = LlmEngine.Load(new EngineOptions { ModelPath = data, Device = "cpu:0,cpu:1" }, progress: new Collect(progress));
        await using var one = LlmEngine.Load(new EngineOptions { ModelPath = data, Device = "cpu:0" });
        var prompt = one.Tokenizer.Encode("Once upon a time");

        var texts = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => engine.RunAsync($"{i}", prompt, Sampling, Token)));
        var expected = await one.RunAsync("one", prompt, Sampling, Token);

        Assert.All(texts, t => Assert.Equal(expected, t));
        Assert.Equal(progress.Order(), progress);
        Assert.Equal(100, progress[^1]);
        Assert.Throws<ArgumentException>(() => LlmEngine.Load(new EngineOptions { ModelPath = data, Device = "cpu:0,cpu:0" }));
    }

    [Fact]
    public async Task Step_ShedsTheLastInLine_WhenMemoryDoesNotSuffice()
    {
        using var folder = TinyModel.Create("llama");
        var prompts = EngineRuns.Prompts(6, 20);
        await using var roomy = folder.Engine();
        var expected = await Task.WhenAll(prompts.Select((p, i) => roomy.RunAsync($"{i}", p, Sampling, Token)));
        var options = new EngineOptions { ModelPath = folder.Path, Device = "cpu", Threads = 1 };
        var model = ModelLoader.Load(options, new CharacterTokenizer(TinyModel.Vocabulary));
        var held = new HungryModel(model.Runner.Model, most: 3);
        var cache = new KvCache(held, model.Blocks.Blocks * model.Blocks.BlockSize, ScalarType.Float32, CPU);
        await using var engine = new LlmEngine(model with { Runner = new ModelRunner(held, cache, options.BlockSize, CPU) }, options, null);

        var runs = prompts.Select((p, i) => engine.RunAsync($"{i}", p, Sampling, Token)).ToArray();
        held.Begin();
        var outcomes = await Task.WhenAll(runs.Select(r => r.ContinueWith(t => t, Token, TaskContinuationOptions.None, TaskScheduler.Default)));

        var failed = outcomes.Where(o => o.IsFaulted).ToList();
        Assert.All(failed, f => Assert.Contains("ran out of memory in a step of", Assert.IsType<InsufficientMemoryException>(f.Exception!.InnerException).Message, StringComparison.Ordinal));
        Assert.InRange(failed.Count, 1, 5);
        foreach (var (outcome, text) in outcomes.Zip(expected).Where(o => o.First.IsCompletedSuccessfully))
        {
            Assert.Equal(text, await outcome);
        }
        Assert.Equal(expected[0], await engine.RunAsync("0", prompts[0], Sampling, Token));
    }

    [Fact]
    public void CachePlan_TakesWhatWeightsAndStepsLeave()
    {
        const long GiB = 1 << 30;
        var options = new EngineOptions { ModelPath = "m", Device = "cuda" };
        // Llama-3-8B in bfloat16: 2 · 32 layers · 8 heads · 128 · 2 bytes a token. Of 80 GiB at 0.9, 20 are used: 52 GiB are left.
        Assert.Equal(52 * GiB / 131_072, CachePlan.Tokens(options, 8192, 131_072, new DeviceMemory(60 * GiB, 80 * GiB)));
        Assert.Equal(4000, CachePlan.Tokens(new EngineOptions { CacheTokens = 4000 }, 8192, 131_072, new DeviceMemory(60 * GiB, 80 * GiB)));
        Assert.Equal(65_536, CachePlan.Tokens(options, 8192, 131_072, null));
        var full = Assert.Throws<InvalidOperationException>(() => CachePlan.Tokens(options, 8192, 131_072, new DeviceMemory(GiB, 16 * GiB)));
        Assert.Contains("1024 of 16384 MiB are free on cuda", full.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WarmUp_RunsAWholeStepAndKeepsNothing()
    {
        using var folder = TinyModel.Create("gpt2");
        var model = folder.Load();
        var before = EngineRuns.LastLogits(model, [1, 2, 3]);
        ModelLoader.WarmUp(model.Runner.Model, model.Tokenizer, new EngineOptions(), ScalarType.Float32, LayerPlacement.On(CPU), 50);
        Assert.Equal(before, EngineRuns.LastLogits(model, [1, 2, 3]));
        model.Runner.Dispose();
    }

    private static async Task<GenerationUpdate> LastAsync(LlmEngine engine, int[] prompt) =>
        await engine.GenerateAsync(new GenerationRequest("a", prompt, new SamplingParams { Temperature = 0, MaxTokens = 2 }), Token).LastAsync(Token);

    private sealed class Collect(List<int> percents) : IProgress<Weights.LoadProgress>
    {
        public void Report(Weights.LoadProgress value) => percents.Add(value.Percent);
    }

    /// <summary>Asks for more memory than any machine has when a step has more than so many decoding rows.</summary>
    private sealed class HungryModel(CausalLM model, int most) : CausalLM
    {
        private readonly ManualResetEventSlim _begin = new();

        public override int Layers => model.Layers;

        public override int KeyValueHeads => model.KeyValueHeads;

        public override int HeadDim => model.HeadDim;

        public override int VocabularySize => model.VocabularySize;

        public override int ContextLength => model.ContextLength;

        /// <summary>Lets steps run: by now all have arrived.</summary>
        public void Begin() => _begin.Set();

        public override Tensor Forward(Tensor ids, Tensor positions, PagedAttention attention)
        {
            _begin.Wait(TestContext.Current.CancellationToken);
            return ids.shape[0] > most && ids.shape[0] <= 6 ? empty(1L << 55) : model.Forward(ids, positions, attention);
        }

        public override Tensor Head(Tensor hidden) => model.Head(hidden);
    }
}
