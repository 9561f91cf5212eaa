using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Jobs.Tests;

public sealed class FillMaskTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestBatch.Cancellation;

    [Fact]
    public async Task ProcessAsync_WritesTheCandidatesOfEachBlank()
    {
        await using var batch = await TestBatch.StartAsync(storage, engine: new ScriptedFiller());
        var job = await batch.SubmitAsync("""{"kind":"fill-mask","prompt":"a _ b _","top_k":2,"metadata":{"k":"v"}}""");

        Assert.Empty(await batch.PumpAsync());

        using var blob = JsonDocument.Parse((await batch.Clients.Blobs.GetBlobContainerClient("results").GetBlobClient($"{job.Id}.json").DownloadContentAsync(Cancellation)).Value.Content.ToMemory());
        var result = blob.RootElement;
        Assert.Equal(
            """[[{"token":"z","token_id":122,"score":0.5,"sequence":"a z b _"},{"token":"y","token_id":121,"score":0.25,"sequence":"a y b _"}],"""
            + """[{"token":"z","token_id":122,"score":0.5,"sequence":"a _ b z"},{"token":"y","token_id":121,"score":0.25,"sequence":"a _ b y"}]]""",
            result.GetProperty("candidates").GetRawText());
        Assert.Equal(("a z b z", "stop", "succeeded"), (result.GetProperty("text").GetString(), result.GetProperty("finish_reason").GetString(), result.GetProperty("status").GetString()));
        var view = await batch.Reader.FindAsync(job.Id, TestBatch.Tester, Cancellation);
        Assert.Equal((7, 0, 2), (view!.Usage!.PromptTokens, view.Usage.CompletionTokens, view.Candidates!.Count));
    }

    [Fact]
    public async Task ProcessAsync_LeavesASpanThatNamesWhatItDid()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == MetricNames.Meter,
            Sample = (ref _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var batch = await TestBatch.StartAsync(storage, engine: new ScriptedFiller());
        await batch.SubmitAsync("""{"kind":"fill-mask","prompt":"a _ b _"}""");

        Assert.Empty(await batch.PumpAsync());

        var span = Assert.Single(spans, span => span.DisplayName == "fill_mask filler");
        Assert.Equal(("fill_mask", 7, 0), (span.GetTagItem("gen_ai.operation.name"), span.GetTagItem("gen_ai.usage.input_tokens"), span.GetTagItem("gen_ai.usage.output_tokens")));
        Assert.Equal(["stop"], Assert.IsType<string[]>(span.GetTagItem("gen_ai.response.finish_reasons")));
    }

    [Fact]
    public async Task ProcessAsync_RanksTargetsAlone_FiveUnlessAsked()
    {
        await using var batch = await TestBatch.StartAsync(storage, engine: new ScriptedFiller());
        var some = await batch.SubmitAsync("""{"kind":"fill-mask","prompt":"_","targets":["b","c"]}""");
        var all = await batch.SubmitAsync("""{"kind":"fill-mask","prompt":"_"}""");

        Assert.Empty(await batch.PumpAsync());

        Assert.Equal(["c", "b"], (await batch.Store.FindResultAsync(some, Cancellation))!.Candidates![0].Select(candidate => candidate.Token));
        Assert.Equal(5, (await batch.Store.FindResultAsync(all, Cancellation))!.Candidates![0].Count);
    }

    [Theory]
    [InlineData("""{"kind":"fill-mask","prompt":"no blank"}""", "prompt", "prompt cannot be filled: the text holds no _")]
    [InlineData("""{"kind":"fill-mask","prompt":"_","targets":["a","word"]}""", "targets", "targets[1] must be one token of model 'filler', \"word\" is not")]
    [InlineData("""{"prompt":"_"}""", "kind", "kind 'generate' needs a model that writes text, 'filler' is a bert model, which fills blanks: ask for kind 'fill-mask'")]
    public async Task ProcessAsync_FailsTheJob_WhenTheModelCannotDoIt(string json, string parameter, string message)
    {
        await using var batch = await TestBatch.StartAsync(storage, engine: new ScriptedFiller());
        var job = await batch.SubmitAsync(json);

        Assert.Empty(await batch.PumpAsync());

        job = await batch.FindAsync(job.Id);
        Assert.Equal((JobState.Failed, parameter, message), (job.State, job.ErrorParam, job.ErrorMessage));
    }

    [Fact]
    public async Task ProcessAsync_FailsAFillMaskJob_OnAModelThatWritesText()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"kind":"fill-mask","prompt":"_"}""");

        Assert.Empty(await batch.PumpAsync());

        Assert.Equal("kind 'fill-mask' needs a model that fills blanks, 'scripted' is a scripted model, which writes text", (await batch.FindAsync(job.Id)).ErrorMessage);
    }

    [Fact]
    public async Task ProcessAsync_KeepsTheStateOfAJobThatIsCancelledMeanwhile()
    {
        var filler = new ScriptedFiller { Holds = true };
        await using var batch = await TestBatch.StartAsync(storage, engine: filler);
        var job = await batch.SubmitAsync("""{"kind":"fill-mask","prompt":"_"}""");
        var pumping = batch.PumpAsync();
        await filler.Held;
        await batch.Control.CancelAsync(job.Id, TestBatch.Tester, Cancellation);
        batch.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Empty(await pumping);

        Assert.Equal(JobState.Cancelled, (await batch.FindAsync(job.Id)).State);
    }

    [Theory]
    [InlineData("""{"kind":"fill","prompt":"_"}""", "kind", "kind must be 'generate' or 'fill-mask', was \"fill\"")]
    [InlineData("""{"kind":"fill-mask","prompt":"_","temperature":0.5}""", "temperature", "temperature must be left out for kind 'fill-mask': it says how a text is written")]
    [InlineData("""{"kind":"fill-mask","messages":[{"role":"user","content":"_"}]}""", "messages", "messages must be left out for kind 'fill-mask': it says how a text is written")]
    [InlineData("""{"kind":"fill-mask","prompt":"_","top_k":0}""", "top_k", "top_k must be at least 1 for kind 'fill-mask', was 0")]
    [InlineData("""{"kind":"fill-mask","prompt":"_","targets":[]}""", "targets", "targets must be 1 to 1000 words, none empty, was 0 words")]
    [InlineData("""{"prompt":"_","targets":["a"]}""", "targets", "targets must be left out but for kind 'fill-mask'")]
    public void Parse_RefusesByName(string json, string parameter, string message)
    {
        using var document = JsonDocument.Parse(json);

        var error = Assert.Throws<InvalidJobException>(() => JobRequestParser.Parse(document.RootElement));

        Assert.Equal((parameter, message), (error.Param, error.Message));
    }

    /// <summary>A token a character; "_" is a blank, and the later a letter the likelier it is.</summary>
    private sealed class ScriptedFiller : MaskFiller
    {
        private readonly TaskCompletionSource _held = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool Holds { get; init; }

        public Task Held => _held.Task;

        public override ModelInfo Model { get; } = new("filler", "bert", "float32", "cpu", 1, 64, 128, "identity-2");

        public override MaskedText Read(string text) => text.Contains('_', StringComparison.Ordinal)
            ? new MaskedText([.. text.Select(c => (int)c)], [.. text.Select((c, i) => (c, i)).Where(p => p.c == '_').Select(p => p.i)])
            : throw new ArgumentException("the text holds no _", nameof(text));

        public override int? FindToken(string word) => word is [var only] ? only : null;

        public override string Fill(MaskedText text, IReadOnlyDictionary<int, int> tokens) => string.Concat(text.TokenIds.Select((id, i) => (char)tokens.GetValueOrDefault(i, id)));

        public override async Task<IReadOnlyList<IReadOnlyList<MaskCandidate>>> FillAsync(
            MaskedText text, int count, IReadOnlyCollection<int>? targets = null, CancellationToken cancellationToken = default)
        {
            _held.TrySetResult();
            await Task.Delay(Holds ? Timeout.InfiniteTimeSpan : TimeSpan.Zero, cancellationToken);
            var ids = (targets ?? [.. Enumerable.Range('a', 26)]).OrderDescending().Take(count).ToArray();
            return [.. text.Blanks.Select(blank => ids.Select(id =>
                new MaskCandidate(((char)id).ToString(), id, MathF.Pow(0.5f, 'z' - id + 1), Fill(text, new Dictionary<int, int> { [blank] = id }))).ToArray())];
        }
    }
}
