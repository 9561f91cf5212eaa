using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public class ReproducibilityTests
{
    private static readonly SamplingParams Sampling = new() { Temperature = 1f, TopP = 0.95f, FrequencyPenalty = 0.3f, Seed = 42, MaxTokens = 40 };

    // The token ids, not the text: what a receipt hashes.
    [Theory]
    [InlineData("gpt2", "float32")]
    [InlineData("llama", "float32")]
    [InlineData("llama", "bfloat16")]
    public async Task GenerateAsync_GivesTheSameTokens_AloneInABatchAfterPreemptionOnTwoThreadsAndWithoutPrefixCaching(string family, string dtype)
    {
        using var folder = TinyModel.Create(family);
        var prompt = EngineRuns.Prompts(3)[2];
        async Task<IReadOnlyList<int>> Run(int neighbours, Action<EngineOptions> configure, bool wantsPreemptions = false)
        {
            await using var engine = folder.Engine(o =>
            {
                o.DType = dtype;
                configure(o);
            });
            var company = Enumerable.Range(0, neighbours).Select(i => TokensAsync(engine, EngineRuns.Prompts(neighbours)[i], Sampling with { Seed = (ulong)i })).ToList();
            var tokens = await TokensAsync(engine, prompt, Sampling);
            await Task.WhenAll(company);
            Assert.Equal(wantsPreemptions, engine.Preemptions > 0);
            return tokens;
        }

        var alone = await Run(0, _ => { });

        Assert.Equal(40, alone.Count);
        Assert.Equal(alone, await Run(20, o => o.MaxBatchedTokens = 17));
        Assert.Equal(alone, await Run(12, o => (o.CacheTokens, o.BlockSize) = (160, 4), wantsPreemptions: true));
        Assert.Equal(alone, await Run(3, o => o.Threads = 2));
        Assert.Equal(alone, await Run(6, o => o.PrefixCaching = false));
    }

    private static async Task<IReadOnlyList<int>> TokensAsync(LlmEngine engine, int[] prompt, SamplingParams sampling)
    {
        IReadOnlyList<int>? tokens = null;
        await foreach (var update in engine.GenerateAsync(new GenerationRequest("a", prompt, sampling)))
        {
            Assert.Equal(update.FinishReason is null, update.TokenIds is null);
            tokens = update.TokenIds;
        }
        return tokens!;
    }
}
