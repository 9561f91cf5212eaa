using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests;

public sealed class ChoicesTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestBatch.Cancellation;

    [Fact]
    public async Task ProcessAsync_WritesNChoices_EachWithItsSeed_AndCountsAllTokens()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once","n":3,"seed":7}""");

        Assert.Empty(await batch.PumpAsync());

        var result = await batch.Store.FindResultAsync(job, Cancellation);
        Assert.Equal([ScriptedEngine.TextOf(7), ScriptedEngine.TextOf(8), ScriptedEngine.TextOf(9)], result!.Choices.Select(choice => choice.Text));
        Assert.Equal([0, 1, 2], result.Choices.Select(choice => choice.Index));
        Assert.Equal((ScriptedEngine.TextOf(7), "stop", 4, 9), (result.Text, result.FinishReason, result.Usage.PromptTokens, result.Usage.CompletionTokens));
        Assert.Equal(3, batch.Engine.Requests.Select(request => request.Id).Distinct().Count());
        var view = await batch.Reader.FindAsync(job.Id, TestBatch.Tester, Cancellation);
        Assert.Equal((ScriptedEngine.TextOf(7), 3, 9), (view!.Text, view.Choices!.Count, view.Usage!.CompletionTokens));
    }

    [Fact]
    public async Task ProcessAsync_TellsLogprobsStopReasonAndPrompt_AsOpenAIShapesThem()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.StopReason = new StopReason(null, 13);
        var job = await batch.SubmitAsync("""{"prompt":"Once","logprobs":2,"echo":true,"seed":7}""");

        Assert.Empty(await batch.PumpAsync());

        using var blob = JsonDocument.Parse((await batch.Clients.Blobs.GetBlobContainerClient("results").GetBlobClient($"{job.Id}.json").DownloadContentAsync(Cancellation)).Value.Content.ToMemory());
        var choice = blob.RootElement.GetProperty("choices")[0];
        Assert.Equal("Once" + ScriptedEngine.TextOf(7), choice.GetProperty("text").GetString());
        Assert.Equal(13, choice.GetProperty("stop_reason").GetInt32());
        Assert.Equal(
            """{"content":[{"token":"a","token_id":97,"logprob":-0.5,"bytes":[97],"rank":1,"top_logprobs":[{"token":"a","token_id":97,"logprob":-0.5,"bytes":[97]},{"token":"b","token_id":98,"logprob":-9999,"bytes":[98]}]}]}""",
            choice.GetProperty("logprobs").GetRawText());
        Assert.Equal(110, blob.RootElement.GetProperty("prompt_logprobs")[0].GetProperty("token_id").GetInt32());
        var read = await batch.Store.FindResultAsync(job, Cancellation);
        Assert.Equal(new StopReason(null, 13), read!.Choices[0].StopReason);
    }

    [Fact]
    public async Task ProcessAsync_KeepsEveryChoicesText_WhenCancelledInTheMiddle()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HoldsAfterFirstPiece = true;
        var job = await batch.SubmitAsync("""{"prompt":"Once","n":2}""");
        var pumping = batch.PumpAsync();
        await batch.Engine.Held;
        await batch.Control.CancelAsync(job.Id, TestBatch.Tester, Cancellation);
        batch.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(await pumping);

        var result = await batch.Store.FindResultAsync(job, Cancellation);
        Assert.Equal((JobState.Cancelled, "cancelled"), (result!.Status, result.FinishReason));
        Assert.All(result.Choices, choice => Assert.Equal(("first piece", "cancelled"), (choice.Text, choice.FinishReason)));
    }

    [Fact]
    public async Task ProcessAsync_FailsTheJob_WhenOneChoiceMeetsAFault_AndWritesNoResult()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.Faults.Enqueue(new InvalidDataException("the model gave logits that are no numbers"));
        var job = await batch.SubmitAsync("""{"prompt":"Once","n":4}""");

        Assert.IsType<InvalidDataException>(Assert.Single(await batch.PumpAsync()));

        Assert.Null(await batch.Store.FindResultAsync(job, Cancellation));
        Assert.Contains("no numbers", (await batch.FindAsync(job.Id)).LastError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ProcessAsync_FailsTheJobForGood_WhenTheEngineRefusesIt()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.Faults.Enqueue(new GenerationRefusedException("no token may follow"));
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");

        Assert.Empty(await batch.PumpAsync());

        Assert.Equal((JobState.Failed, JobErrorCode.InvalidRequest), ((await batch.FindAsync(job.Id)).State, (await batch.FindAsync(job.Id)).ErrorCode));
    }

    [Fact]
    public async Task ProcessAsync_ListsTheParametersInEffect_TheRareOnesOnlyWhereGiven()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once","max_tokens":null,"presence_penalty":0.5,"logit_bias":{"65":-100},"repetition_detection":{"max_pattern_size":4,"min_count":3}}""");

        Assert.Empty(await batch.PumpAsync());

        using var blob = JsonDocument.Parse((await batch.Clients.Blobs.GetBlobContainerClient("results").GetBlobClient($"{job.Id}.json").DownloadContentAsync(Cancellation)).Value.Content.ToMemory());
        var parameters = blob.RootElement.GetProperty("parameters");
        Assert.Equal(
            ["ignore_eos", "logit_bias", "max_tokens", "min_p", "min_tokens", "presence_penalty", "repetition_detection", "repetition_penalty", "seed", "stop", "temperature", "top_k", "top_p"],
            parameters.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal));
        Assert.Equal(ScriptedEngine.Context - 4, parameters.GetProperty("max_tokens").GetInt32());
        var read = (await batch.Store.FindResultAsync(job, Cancellation))!.Parameters;
        Assert.Equal((0.5f, -100f, 3, 1f), (read.PresencePenalty, read.LogitBias![65], read.RepetitionDetection!.MinCount, read.TypicalP));
    }
}
