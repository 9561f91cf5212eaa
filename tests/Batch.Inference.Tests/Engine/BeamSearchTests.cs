using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public class BeamSearchTests
{
    private const int End = 30;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static SamplingParams Search(params int[] allowed) =>
        new() { Temperature = 0, NumBeams = 16, MaxTokens = 5, AllowedTokenIds = allowed };

    private static TinyModel Model(string family = "llama") => TinyModel.Create(family, config: c => c["eos_token_id"] = End);

    // Every text of the allowed tokens up to the longest, with its log probability, by computing each from nothing.
    private static List<(int[] Tokens, double LogProbability)> All(LoadedModel model, int[] prompt, int[] allowed, int longest)
    {
        var (ended, open) = (new List<(int[], double)>(), new List<(int[] Tokens, double LogProbability)> { ([], 0) });
        for (var length = 1; length <= longest; length++)
        {
            var next = open.SelectMany(text =>
            {
                var logits = EngineRuns.LastLogits(model, [.. prompt, .. text.Tokens]);
                var normaliser = logits.Max() + Math.Log(logits.Sum(x => Math.Exp(x - logits.Max())));
                return allowed.Select(id => (Tokens: (int[])[.. text.Tokens, id], text.LogProbability + logits[id] - normaliser));
            }).ToList();
            ended.AddRange(next.Where(text => text.Tokens[^1] == End || length == longest));
            open = [.. next.Where(text => text.Tokens[^1] != End)];
        }
        return ended;
    }

    private static async Task<IReadOnlyList<Beam>> RunAsync(TinyModel folder, int[] prompt, SamplingParams sampling, Action<EngineOptions>? configure = null)
    {
        await using var engine = folder.Engine(configure);
        return await new BeamSearch(engine, new GenerationRequest("beams", prompt, sampling.Validate())).RunAsync(null, Token);
    }

    [Theory]
    [InlineData("gpt2", 1f)]
    [InlineData("llama", 1f)]
    [InlineData("llama", 0f)]
    [InlineData("llama", 2f)]
    public async Task RunAsync_FindsTheBestOfAllTexts_WhenTheBeamHoldsThemAll(string family, float lengthPenalty)
    {
        using var folder = Model(family);
        int[] prompt = [3, 4, 5];
        int[] allowed = [10, 20, End];

        var best = await RunAsync(folder, prompt, Search(allowed) with { N = 3, LengthPenalty = lengthPenalty, EarlyStopping = EarlyStopping.Never });

        var model = folder.Load();
        var expected = All(model, prompt, allowed, 5).Select(t => (t.Tokens, Score: t.LogProbability / Math.Pow(t.Tokens.Length, lengthPenalty))).OrderByDescending(t => t.Score).Take(3).ToList();
        model.Runner.Dispose();
        Assert.Equal(expected.Select(t => string.Join(',', t.Tokens)), best.Select(b => string.Join(',', b.TokenIds)));
        Assert.All(expected.Zip(best), pair => Assert.Equal(pair.First.Score, pair.Second.Score, 1e-3));
        Assert.All(best, b => Assert.Equal(b.TokenIds[^1] == End ? FinishReason.Stop : FinishReason.Length, b.FinishReason));
    }

    [Fact]
    public async Task RunAsync_GivesTheSame_WhateverTheBatchAndTheCache()
    {
        using var folder = Model();
        var sampling = new SamplingParams { Temperature = 0, NumBeams = 4, N = 4, MaxTokens = 24, RepetitionPenalty = 1.2f, NoRepeatNgramSize = 2 };
        var wide = await RunAsync(folder, [1, 2, 3, 4, 5], sampling);
        var narrow = await RunAsync(folder, [1, 2, 3, 4, 5], sampling, o => (o.MaxSequences, o.BlockSize, o.CacheTokens) = (1, 4, 100));
        Assert.Equal(wide.Select(b => string.Join(',', b.TokenIds)), narrow.Select(b => string.Join(',', b.TokenIds)));
        Assert.Equal(4, wide.Select(b => string.Join(',', b.TokenIds)).Distinct().Count());
    }

    [Fact]
    public async Task RunAsync_EndsAtOnce_WithEarlyStopping_AndKeepsTheStopToken()
    {
        using var folder = Model();
        var sampling = Search(10, 20, End) with { NumBeams = 2, N = 2, MaxTokens = 40, StopTokenIds = [20], EarlyStopping = EarlyStopping.True };
        var beams = await RunAsync(folder, [3, 4, 5], sampling);
        Assert.All(beams, b => Assert.Equal(FinishReason.Stop, b.FinishReason));
        Assert.All(beams, b => Assert.Equal(b.TokenIds[^1] == 20 ? new StopReason(null, 20) : null, b.StopReason));
    }

    [Fact]
    public async Task GenerateAsync_GivesTheBestBeamsText()
    {
        using var folder = Model();
        var sampling = new SamplingParams { Temperature = 0, NumBeams = 3, MaxTokens = 8, IgnoreEos = true };
        var best = (await RunAsync(folder, [3, 4, 5], sampling))[0];
        await using var engine = folder.Engine();

        var result = await engine.RunAsync("a", [3, 4, 5], sampling, Token);

        Assert.Equal(new Generated(new CharacterTokenizer(TinyModel.Vocabulary).Decode(best.TokenIds), 8, FinishReason.Length), result);
    }

    [Fact]
    public async Task SearchAsync_GivesTheSame_OverReplicas()
    {
        using var folder = Model();
        var request = new GenerationRequest("beams", [3, 4, 5], new SamplingParams { Temperature = 0, NumBeams = 3, N = 2, MaxTokens = 8 });
        await using var replicas = new EngineReplicas([folder.Engine(), folder.Engine()]);
        await using var engine = folder.Engine();
        Assert.Equal((await engine.SearchAsync(request, null, Token)).Select(b => b.Text), (await replicas.SearchAsync(request, null, Token)).Select(b => b.Text));
    }

    [Fact]
    public async Task RunAsync_KeepsTheBeamsSoFar_WhenCancelled()
    {
        using var folder = Model();
        await using var engine = folder.Engine();
        using var cancellation = new CancellationTokenSource();
        var request = new GenerationRequest("beams", [1, 2], new SamplingParams { Temperature = 0, NumBeams = 2, MaxTokens = 90, IgnoreEos = true });
        var beams = await new BeamSearch(engine, request).RunAsync(length => { if (length == 5) { cancellation.Cancel(); } }, cancellation.Token);
        Assert.Equal(FinishReason.Cancelled, Assert.Single(beams).FinishReason);
        Assert.Equal(5, beams[0].TokenIds.Count);
    }

    [Fact]
    public async Task RunAsync_Refuses_WhenNoTokenIsAllowed()
    {
        using var folder = Model();
        await Assert.ThrowsAsync<GenerationRefusedException>(() => RunAsync(folder, [10], Search(10) with { NoRepeatNgramSize = 1 }));
    }
}
