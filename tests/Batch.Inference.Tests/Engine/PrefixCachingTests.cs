using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public class PrefixCachingTests
{
    private static readonly int[] Prompt = EngineRuns.Prompts(1, 91).Concat(EngineRuns.Prompts(9, 90)).SelectMany(p => p).Take(90).ToArray();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    public async Task GenerateAsync_SameTexts_WithAndWithoutPrefixCaching(string family)
    {
        using var folder = TinyModel.Create(family);
        var prompts = Enumerable.Range(0, 12).Select(i => Prompt[..(i % 4 * 16 + 5)].Append(i).ToArray()).ToArray();
        async Task<string[]> Run(bool caching, int cacheTokens)
        {
            await using var engine = folder.Engine(o => (o.PrefixCaching, o.CacheTokens, o.BlockSize, o.MaxBatchedTokens) = (caching, cacheTokens, 4, 32));
            var results = await Task.WhenAll(prompts.Select((p, i) => engine.RunAsync($"{i}", p, new SamplingParams { Seed = (ulong)i, MaxTokens = 20 }, Token)));
            return results.Select(r => r.Text).ToArray();
        }

        var expected = await Run(false, 4096);

        Assert.Equal(expected, await Run(true, 4096));
        Assert.Equal(expected, await Run(true, 128)); // with preemption, whose recomputed tokens are shared, too
    }

    [Theory]
    [InlineData("gpt2", "float32")]
    [InlineData("llama", "float32")]
    [InlineData("llama", "bfloat16")]
    public async Task GenerateAsync_GoesOnBitForBit_FromATextThatWasCached(string family, string dtype)
    {
        using var folder = TinyModel.Create(family);
        var sampling = new SamplingParams { Temperature = 0, MaxTokens = 30, IgnoreEos = true, Logprobs = 5 };
        await using var engine = folder.Engine(o => o.DType = dtype);
        await using var fresh = folder.Engine(o => (o.DType, o.PrefixCaching) = (dtype, false));
        var text = new CharacterTokenizer(TinyModel.Vocabulary).Encode((await engine.RunAsync("text", Prompt[..20], sampling, Token)).Text);
        int[] conversation = [.. Prompt[..20], .. text[..^1], 7, 8, 9];

        var cached = await UpdatesAsync(engine, conversation, sampling);
        var computed = await UpdatesAsync(fresh, conversation, sampling);

        Assert.Equal((48, 0), (cached[^1].CachedTokens, computed[^1].CachedTokens)); // blocks of the text, too
        Assert.Equal(computed.Select(u => u.Logprobs!.Logprob), cached.Select(u => u.Logprobs!.Logprob));
        Assert.Equal(computed.Select(u => u.Text), cached.Select(u => u.Text));
    }

    [Fact]
    public async Task GenerateAsync_CountsCachedTokens_OfWholeBlocksButNeverTheLastToken()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();

        var first = await LastAsync(engine, Prompt[..64]);
        var same = await LastAsync(engine, Prompt[..64]);
        var longer = await LastAsync(engine, [.. Prompt[..64], 7, 7]);
        var other = await LastAsync(engine, [.. Prompt[..20], 255, .. Prompt[21..64]]);

        var scored = await LastAsync(engine, Prompt[..64], s => s with { PromptLogprobs = 1 });

        Assert.Equal((0, 48, 64, 16), (first.CachedTokens, same.CachedTokens, longer.CachedTokens, other.CachedTokens));
        Assert.Equal(0, scored.CachedTokens); // every token of its prompt is wanted
    }

    [Fact]
    public async Task GenerateAsync_ComputesACommonPrefixOnce_WhenManyArriveTogether()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine(o => o.MaxSequences = 8);

        var updates = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => LastAsync(engine, [.. Prompt[..64], i])));

        Assert.Equal(7 * 64, updates.Sum(u => u.CachedTokens)); // whoever came first
    }

    private static async Task<List<GenerationUpdate>> UpdatesAsync(LlmEngine engine, int[] prompt, SamplingParams sampling) =>
        await engine.GenerateAsync(new GenerationRequest("a", prompt, sampling), Token).ToListAsync(Token);

    private static async Task<GenerationUpdate> LastAsync(LlmEngine engine, int[] prompt, Func<SamplingParams, SamplingParams>? change = null)
    {
        var sampling = new SamplingParams { Temperature = 0, MaxTokens = 8 };
        return await engine.GenerateAsync(new GenerationRequest("a", prompt, change?.Invoke(sampling) ?? sampling), Token).LastAsync(Token);
    }
}
