using System.Text;
using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public class EquivalenceTests
{
    public static TheoryData<string> Families => new(TinyModel.Families);

    [Theory]
    [MemberData(nameof(Families))]
    public async Task GenerateAsync_SameTokens_BatchedOneAtATimeAndNaive(string family)
    {
        using var folder = TinyModel.Create(family);
        var prompts = EngineRuns.Prompts(12);
        var sampling = new SamplingParams { Temperature = 0, MaxTokens = 24 };
        var model = folder.Load();
        var naive = prompts.Select(p => EngineRuns.NaiveGreedy(model, p, 24)).ToArray();
        model.Runner.Dispose();
        var expected = naive.Select(ids => new CharacterTokenizer(TinyModel.Vocabulary).Decode(ids)).ToArray();
        Assert.True(expected.Distinct().Count() > 6, "the model must not say the same to everything");

        await using var engine = folder.Engine(o => o.MaxBatchedTokens = 16);
        var alone = new List<string>();
        foreach (var prompt in prompts)
        {
            alone.Add((await engine.RunAsync("alone", prompt, sampling, TestContext.Current.CancellationToken)).Text);
        }
        var batched = await Task.WhenAll(prompts.Select((p, i) => engine.RunAsync($"b{i}", p, sampling, TestContext.Current.CancellationToken)));

        Assert.Equal(expected, alone);
        Assert.Equal(expected, batched.Select(b => b.Text));
    }

    [Fact]
    public async Task GenerateAsync_SameTokens_WhenTheCacheIsTooSmallForAll()
    {
        using var folder = TinyModel.Create("llama");
        var prompts = EngineRuns.Prompts(10);
        var sampling = new SamplingParams { Temperature = 0.9f, Seed = 3, MaxTokens = 40 };
        async Task<(string[] Texts, long Preemptions)> Run(int cacheTokens)
        {
            await using var engine = folder.Engine(o => (o.CacheTokens, o.BlockSize) = (cacheTokens, 4));
            var results = await Task.WhenAll(prompts.Select((p, i) => engine.RunAsync($"{i}", p, sampling)));
            return (results.Select(r => r.Text).ToArray(), engine.Preemptions);
        }

        var roomy = await Run(4096);
        var tight = await Run(128);

        Assert.Equal(0, roomy.Preemptions);
        Assert.True(tight.Preemptions > 0);
        Assert.Equal(roomy.Texts, tight.Texts);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task GenerateAsync_SameSeedSameText_WhateverTheNeighbours(string family)
    {
        using var folder = TinyModel.Create(family);
        await using var engine = folder.Engine();
        var sampling = new SamplingParams { Temperature = 1f, TopP = 0.95f, TopK = 50, Seed = 42, MaxTokens = 50 };
        var prompt = Encoding.UTF8.GetBytes("The same words").Select(b => (int)b).ToArray();

        var alone = await engine.RunAsync("alone", prompt, sampling, TestContext.Current.CancellationToken);
        var neighbours = EngineRuns.Prompts(20).Select((p, i) => engine.RunAsync($"n{i}", p, new SamplingParams { Seed = (ulong)i, MaxTokens = 5 + i * 2 })).ToArray();
        var inCompany = await engine.RunAsync("in company", prompt, sampling, TestContext.Current.CancellationToken);
        await Task.WhenAll(neighbours);
        var otherSeed = await engine.RunAsync("other", prompt, sampling with { Seed = 43 }, TestContext.Current.CancellationToken);

        Assert.Equal(alone, inCompany);
        Assert.NotEqual(alone.Text, otherSeed.Text);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Run_GivesTheSameLogits_BitForBit_WhateverTheNeighbours(string family) => AssertSameLogits(family, threads: 1);

    [Fact]
    public void Run_GivesTheSameLogits_BitForBit_OnTwoThreads() => AssertSameLogits("llama", threads: 2);

    private static void AssertSameLogits(string family, int threads)
    {
        using var folder = TinyModel.Create(family);
        var model = ModelLoader.Load(new EngineOptions { ModelPath = folder.Path, Device = "cpu", Threads = threads }, new CharacterTokenizer(TinyModel.Vocabulary));
        var alone = Decode(model, EngineRuns.Prompts(1));
        for (var neighbours = 1; neighbours <= 12; neighbours++)
        {
            Assert.Equal(alone, Decode(model, EngineRuns.Prompts(1 + neighbours)));
        }
        model.Runner.Dispose();
    }

    // Prefills each prompt in its own step, then decodes all in one: the logits of the first.
    private static float[] Decode(LoadedModel model, int[][] prompts)
    {
        var sequences = prompts.Select((p, i) => new Sequence(new GenerationRequest($"{i}", p, new SamplingParams()), 0, new TextStream(model.Tokenizer, []), i)).ToList();
        foreach (var sequence in sequences)
        {
            Assert.True(model.Blocks.TryGrow(sequence.Blocks, sequence.Tokens.Count + 1));
            var prefill = new ScheduledSequence(sequence, sequence.Tokens.Count);
            model.Runner.Run([prefill]);
            sequence.ComputedTokens = prefill.Tokens;
            sequence.Append(7);
        }
        var logits = model.Runner.Run(sequences.Select(s => new ScheduledSequence(s, 1)).ToList())[..TinyModel.Vocabulary].ToArray();
        sequences.ForEach(s => model.Blocks.Release(s.Blocks));
        return logits;
    }

    [Theory]
    [InlineData("F32", 3)]
    [InlineData("BF16", 2)]
    [InlineData("F16", 1)]
    public async Task Load_SameModel_FromAnyShardingAndDType(string dtype, int shards)
    {
        using var folder = TinyModel.Create("llama", dtype, shards);
        await using var engine = folder.Engine();

        var result = await engine.RunAsync("a", [1, 2, 3], new SamplingParams { Temperature = 0, MaxTokens = 8 }, TestContext.Current.CancellationToken);

        Assert.Equal(8, result.Tokens);
        Assert.StartsWith("xxh128:", engine.Model.Identity, StringComparison.Ordinal);
    }
}
