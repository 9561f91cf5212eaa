using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public class LogprobsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static async Task<List<GenerationUpdate>> RunAsync(LlmEngine engine, int[] prompt, SamplingParams sampling)
    {
        var updates = new List<GenerationUpdate>();
        await foreach (var update in engine.GenerateAsync(new GenerationRequest("a", prompt, sampling.Validate()), Token))
        {
            updates.Add(update);
        }
        return updates;
    }

    private static double[] LogSoftmax(float[] logits)
    {
        var sum = Math.Log(logits.Sum(x => Math.Exp(x - logits.Max()))) + logits.Max();
        return logits.Select(x => x - sum).ToArray();
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    public async Task GenerateAsync_TellsTheLogprobsOfTheModelsOwnDistribution_WhateverThePenalties(string family)
    {
        using var folder = TinyModel.Create(family);
        var sampling = new SamplingParams { Temperature = 1.5f, TopK = 5, FrequencyPenalty = 1, Seed = 4, MaxTokens = 6, Logprobs = 3, IgnoreEos = true };
        int[] prompt = [7, 8, 9];
        List<GenerationUpdate> updates;
        await using (var engine = folder.Engine())
        {
            updates = await RunAsync(engine, prompt, sampling);
        }

        var model = folder.Load();
        var tokens = prompt.ToList();
        Assert.Equal(6, updates.Count);
        foreach (var update in updates)
        {
            var expected = LogSoftmax(EngineRuns.LastLogits(model, tokens));
            var logprobs = update.Logprobs!;
            Assert.Equal(expected[logprobs.TokenId], logprobs.Logprob, 1e-4);
            Assert.Equal(1 + expected.Count(x => x > expected[logprobs.TokenId]), logprobs.Rank);
            Assert.Equal(expected.Index().OrderByDescending(x => x.Item).Take(3).Select(x => x.Index), logprobs.Top.Select(t => t.TokenId));
            Assert.All(logprobs.Top, t => Assert.Equal(expected[t.TokenId], t.Logprob, 1e-4));
            tokens.Add(logprobs.TokenId);
        }
        model.Runner.Dispose();
    }

    [Theory]
    [InlineData(16, 4096)]
    [InlineData(64, 96)]
    public async Task GenerateAsync_ScoresEveryPromptTokenButTheFirst_InChunksAndAfterPreemption(int budget, int cacheTokens)
    {
        using var folder = TinyModel.Create("llama");
        var prompts = EngineRuns.Prompts(6, longest: 60);
        var sampling = new SamplingParams { Temperature = 0, MaxTokens = 20, PromptLogprobs = 2 };
        List<GenerationUpdate>[] runs;
        await using (var engine = folder.Engine(o => (o.MaxBatchedTokens, o.CacheTokens, o.BlockSize) = (budget, cacheTokens, 4)))
        {
            runs = await Task.WhenAll(prompts.Select(p => RunAsync(engine, p, sampling)));
        }

        var model = folder.Load();
        foreach (var (prompt, run) in prompts.Zip(runs))
        {
            var scores = run[0].PromptLogprobs!;
            Assert.Equal(prompt.Length - 1, scores.Count);
            Assert.All(run.Skip(1), update => Assert.Null(update.PromptLogprobs));
            foreach (var position in new[] { 0, scores.Count / 2, scores.Count - 1 }.Where(p => p >= 0 && p < scores.Count))
            {
                var expected = LogSoftmax(EngineRuns.LastLogits(model, prompt[..(position + 1)]));
                Assert.Equal(prompt[position + 1], scores[position].TokenId);
                Assert.Equal(expected[prompt[position + 1]], scores[position].Logprob, 1e-4);
                Assert.Equal(2, scores[position].Top.Count);
            }
        }
        model.Runner.Dispose();
    }

    [Fact]
    public async Task GenerateAsync_ScoresNoPrompt_UnlessAsked()
    {
        using var folder = TinyModel.Create("gpt2");
        await using var engine = folder.Engine();
        var plain = await RunAsync(engine, [1, 2, 3], new SamplingParams { MaxTokens = 2 });
        var echo = await RunAsync(engine, [1, 2, 3], new SamplingParams { MaxTokens = 2, Echo = true, Logprobs = 1 });
        Assert.All(plain, update => Assert.True(update is { Logprobs: null, PromptLogprobs: null }));
        Assert.Equal(2, echo[0].PromptLogprobs!.Count);
    }
}
