using Batch.Benchmarks.References;
using Batch.Inference.Engine;
using Batch.Inference.Tests.Tokenizers;

namespace Batch.Inference.Tests.Engine;

public sealed class MaskFillerTests
{
    private static readonly string[] Words = ["the", "cat", "sat", "on", "a", "mat", "##s", ".", ",", "dog"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task FillAsync_RanksTheVocabularyForABlank()
    {
        using var folder = Model();
        await using var filler = Load(folder);

        var candidates = Assert.Single(await filler.FillAsync(filler.Read("The [MASK] sat."), 200, cancellationToken: Cancellation));

        Assert.Equal(filler.Tokenizer.VocabularySize, candidates.Count);
        Assert.Equal(candidates.OrderByDescending(c => c.Score).ThenBy(c => c.TokenId), candidates);
        Assert.InRange(candidates.Sum(c => c.Score), 0.01f, 1.00001f); // the model has more rows than the tokenizer tokens
        Assert.Equal("the cat sat.", candidates.Single(c => c.Token == "cat").Sequence);
        Assert.Equal("thes sat.", candidates.Single(c => c.Token == "##s").Sequence);
    }

    [Fact]
    public async Task FillAsync_LeavesTheOtherBlanksOpen()
    {
        using var folder = Model();
        await using var filler = Load(folder);

        var blanks = await filler.FillAsync(filler.Read("the [MASK] [MASK]"), 1, [6, 7], Cancellation);

        Assert.Equal(2, blanks.Count);
        Assert.Equal($"the {blanks[0][0].Token} [MASK]", blanks[0][0].Sequence);
        Assert.Equal($"the [MASK] {blanks[1][0].Token}", blanks[1][0].Sequence);
    }

    [Fact]
    public async Task FillAsync_WithTargets_RanksThemAloneByTheSameScores()
    {
        using var folder = Model();
        await using var filler = Load(folder);
        var text = filler.Read("the [MASK]");
        var all = (await filler.FillAsync(text, 200, cancellationToken: Cancellation))[0];

        var some = (await filler.FillAsync(text, 5, [6, 14, 6], Cancellation))[0];

        Assert.Equal(all.Where(c => c.TokenId is 6 or 14), some);
    }

    [Fact]
    public async Task FindToken_TakesWordsOfOneToken()
    {
        using var folder = Model();
        await using var filler = Load(folder);

        Assert.Equal([6, 6, 11], new[] { "cat", "CAT", "##s" }.Select(filler.FindToken));
        Assert.Equal([null, null, null], new[] { "cats", "bird", "[SEP]" }.Select(filler.FindToken));
    }

    [Fact]
    public async Task FillAsync_GivesTheSame_AloneAndBesideOthers()
    {
        using var folder = Model();
        await using var filler = Load(folder);
        var texts = Enumerable.Range(0, 24).Select(i => filler.Read($"{string.Join(' ', Words.Take(1 + (i % 9)))} [MASK] the{(i % 2 == 0 ? " [MASK]" : "")}")).ToArray();
        var alone = new List<IReadOnlyList<IReadOnlyList<MaskCandidate>>>();
        foreach (var text in texts)
        {
            alone.Add(await filler.FillAsync(text, 5, cancellationToken: Cancellation));
        }

        var together = await Task.WhenAll(texts.Select(text => filler.FillAsync(text, 5, cancellationToken: Cancellation)));

        Assert.All(texts.Select((_, i) => i), i => Assert.Equal(alone[i].SelectMany(c => c), together[i].SelectMany(c => c)));
    }

    [Fact]
    public async Task Read_NamesWhatIsWrong()
    {
        using var folder = Model();
        await using var filler = Load(folder);

        Assert.Contains("holds no [MASK]", Assert.Throws<ArgumentException>(() => filler.Read("the cat")).Message, StringComparison.Ordinal);
        Assert.Contains("at most 64", Assert.Throws<ArgumentException>(() => filler.Read("[MASK]" + string.Concat(Enumerable.Repeat(" cat", 70)))).Message, StringComparison.Ordinal);
        Assert.Equal([2, 4, 1, 3], filler.Read("[MASK]  [CLS]".Replace("[CLS]", "CLS", StringComparison.Ordinal)).TokenIds);
    }

    [Fact]
    public async Task FillAsync_EndsForACallerWhoLeaves_AndAfterDisposal()
    {
        using var folder = Model();
        var filler = Load(folder);
        var text = filler.Read("[MASK]");

        await Assert.ThrowsAsync<TaskCanceledException>(() => filler.FillAsync(text, 1, cancellationToken: new CancellationToken(canceled: true)));
        await filler.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => filler.FillAsync(text, 1, cancellationToken: Cancellation));
    }

    [Fact]
    public async Task GenerateAsync_IsRefusedByName()
    {
        using var folder = Model();
        await using var filler = Load(folder);

        var error = Assert.Throws<NotSupportedException>(() => filler.GenerateAsync(new GenerationRequest("a", [1], new SamplingParams()), Cancellation));

        Assert.Contains("bert model, which fills blanks and writes no text", error.Message, StringComparison.Ordinal);
    }

    private static TestFolder Model()
    {
        var folder = new TestFolder();
        RandomCheckpoint.Write(folder.Path, Reference.Load(Path.Combine(AppContext.BaseDirectory, "References", "HiddenStates", "bert.json")).Config.GetRawText(), seed: 7);
        return folder.With("tokenizer.json", TinyTokenizer.WordPieceJson(Words).ToJsonString()).With("tokenizer_config.json", """{"mask_token": "[MASK]"}""");
    }

    private static MaskFiller Load(TestFolder folder) =>
        Assert.IsType<MaskFiller>(LlmEngine.Load(new EngineOptions { ModelPath = folder.Path, ModelName = "tiny", Device = "cpu", Threads = 1 }));
}
