using System.Text.Json;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests;

public sealed class JobProcessorTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestBatch.Cancellation;

    [Fact]
    public async Task ProcessAsync_LeavesResultRowEventAndAudit_WhenTheTextEnds()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once","max_tokens":9,"seed":7,"metadata":{"article":"12"},"priority":3}""");

        Assert.Empty(await batch.PumpAsync());

        job = await batch.FindAsync(job.Id);
        Assert.Equal((JobState.Succeeded, "stop", 4, 3), (job.State, job.FinishReason, job.PromptTokens, job.CompletionTokens));
        var result = await batch.Store.FindResultAsync(job, Cancellation);
        Assert.Equal(ScriptedEngine.TextOf(7), result!.Text);
        Assert.Equal((9, 7UL, "12", "identity-1"), (result.Parameters.MaxTokens, result.Parameters.Seed, result.Metadata!["article"], result.ModelIdentity));
        Assert.Equal(3, Assert.Single(batch.Engine.Requests).Priority);
        var sent = Assert.Single(await batch.EventsAsync());
        Assert.Equal(("batch.job.succeeded", $"{job.Id}:succeeded", "/batch", "1.0"), (Text(sent, "type"), Text(sent, "id"), Text(sent, "source"), Text(sent, "specversion")));
        Assert.Equal(7, sent.GetProperty("data").GetProperty("usage").GetProperty("total_tokens").GetInt32());
        Assert.EndsWith($"/results/{job.Id}.json", Text(sent.GetProperty("data"), "result_url"), StringComparison.Ordinal);
        var audited = Assert.Single(await batch.AuditAsync(job.Id));
        Assert.Equal(("Succeeded", 3, "tester"), (audited.GetString("Outcome"), audited.GetInt32("CompletionTokens"), audited.GetString("Caller")));
    }

    [Fact]
    public async Task ProcessAsync_EndsInOneResultAndOneEventId_WhenItCrashesAfterAnyWrite()
    {
        var crashes = 0;
        for (var write = 1; write <= 40; write++)
        {
            await using var batch = await TestBatch.StartAsync(storage, webhooks: new() { Secret = TestBatch.Secret });
            await batch.EnqueueAsync($$"""{"id":"crash-{{write}}","prompt":"Once","webhook_url":"https://example.org/hook"}""");
            batch.Faults.CrashAfterWrite(write);
            if (!await batch.PumpUntilCrashAsync())
            {
                break;
            }

            crashes++;
            Assert.Empty(await batch.PumpAsync());

            var job = await batch.FindAsync($"crash-{write}");
            var result = await batch.Store.FindResultAsync(job, Cancellation);
            Assert.Equal(JobState.Succeeded, job.State);
            Assert.Equal(ScriptedEngine.TextOf(ulong.Parse(job.Seed, null)), result!.Text);
            Assert.Equal(result.FinishedAt, job.FinishedAt);
            Assert.Equal([$"{job.Id}:succeeded"], (await batch.EventsAsync()).Select(e => Text(e, "id")).Distinct());
            Assert.NotNull(await batch.ReceiveAsync(JobQueues.Webhooks));
            Assert.Null(await batch.Store.FindProgressAsync(job, Cancellation));
            Assert.Equal("Succeeded", Assert.Single(await batch.AuditAsync(job.Id)).GetString("Outcome"));
        }

        Assert.InRange(crashes, 10, 39);
    }

    [Fact]
    public async Task ProcessAsync_GivesOneResultAndOneEventId_WhenDeliveredTwiceAtTheSameTime()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var message = await batch.ReceiveAsync();

        await Task.WhenAll(batch.Processor.ProcessAsync(message!, Cancellation), batch.Processor.ProcessAsync(message!, Cancellation));

        job = await batch.FindAsync(job.Id);
        Assert.Equal(JobState.Succeeded, job.State);
        Assert.Equal((await batch.Store.FindResultAsync(job, Cancellation))!.FinishedAt, job.FinishedAt);
        Assert.Single((await batch.EventsAsync()).Select(e => Text(e, "id")).Distinct());
        Assert.Single(await batch.AuditAsync(job.Id));
    }

    [Fact]
    public async Task ProcessAsync_RunsNothingAndTellsNothing_WhenAFinishedJobIsDeliveredAgain()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        await batch.PumpAsync();
        await batch.EventsAsync();

        await batch.EnqueueAsync($$"""{"jobId":"{{job.Id}}"}""");
        Assert.Empty(await batch.PumpAsync());

        Assert.Single(batch.Engine.Requests);
        Assert.Empty(await batch.EventsAsync());
    }

    [Theory]
    [InlineData("{not json", JobErrorCode.InvalidRequest, "not valid JSON")]
    [InlineData("[]", JobErrorCode.InvalidRequest, "must be a JSON object")]
    [InlineData("""{"prompt":"a","tempreature":1}""", JobErrorCode.InvalidRequest, "tempreature")]
    [InlineData("""{"prompt":"a","top_p":2}""", JobErrorCode.InvalidRequest, "top_p must be above 0 and at most 1, was 2")]
    [InlineData("""{"prompt":"a","best_of":2}""", JobErrorCode.UnsupportedParameter, "best_of is not supported")]
    [InlineData("""{"prompt":"a","stop_token_ids":[256]}""", JobErrorCode.InvalidRequest, "stop_token_ids must be ids below 256, the size of the vocabulary, was 256")]
    [InlineData("""{"prompt":"a","model":"other"}""", JobErrorCode.ModelNotFound, "ask for 'scripted'")]
    [InlineData("""{"messages":[{"role":"user","content":"hi"}]}""", JobErrorCode.UnsupportedParameter, "send prompt")]
    [InlineData("""{"input_blob":"inputs/none.txt"}""", JobErrorCode.InputNotFound, "inputs/none.txt")]
    [InlineData("""{"input_blob":"secrets/host.json"}""", JobErrorCode.InputNotFound, "one of the containers inputs")]
    [InlineData("""{"jobId":"job_nobody"}""", JobErrorCode.JobNotFound, "job_nobody")]
    public async Task ProcessAsync_FailsTheJobOnceAndSaysWhatToChange_WhenTheMessageIsWrong(string body, string code, string says)
    {
        await using var batch = await TestBatch.StartAsync(storage);
        await batch.EnqueueAsync(body);

        Assert.Empty(await batch.PumpAsync());

        var sent = Assert.Single(await batch.EventsAsync());
        var job = await batch.FindAsync(Text(sent.GetProperty("data"), "job_id"));
        Assert.Equal((JobState.Failed, code, "batch.job.failed"), (job.State, job.ErrorCode, Text(sent, "type")));
        Assert.Contains(says, job.ErrorMessage, StringComparison.Ordinal);
        Assert.Contains(await batch.AuditAsync(job.Id), row => row.GetString("ErrorCode") == code);
        Assert.Null(await batch.ReceiveAsync());
    }

    [Fact]
    public async Task ProcessAsync_FailsTheJob_WhenThePromptIsTooLongForTheModel()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync($$"""{"prompt":"{{new string('x', ScriptedEngine.Context)}}"}""");

        Assert.Empty(await batch.PumpAsync());

        job = await batch.FindAsync(job.Id);
        Assert.Equal((JobState.Failed, JobErrorCode.PromptTooLong), (job.State, job.ErrorCode));
        Assert.Contains($"at most {ScriptedEngine.Context - 1} tokens", job.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ProcessAsync_RunsThePromptWhole_WhenItIsTooLongForAMessageAndARow()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync($$"""{"prompt":"{{new string('長', 100_000)}}"}""");

        Assert.Empty(await batch.PumpAsync());

        Assert.Null(job.Request);
        Assert.Equal((JobState.Succeeded, 100_000), ((await batch.FindAsync(job.Id)).State, (await batch.FindAsync(job.Id)).PromptTokens));
    }

    [Theory]
    [InlineData("user", JobState.Succeeded)]
    [InlineData("assistant", JobState.Failed)]
    public async Task ProcessAsync_WritesTheConversationWithTheModelsTemplate_OrFailsAsItRefuses(string role, JobState expected)
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.HasChatTemplate = true;
        var job = await batch.SubmitAsync($$"""{"messages":[{"role":"{{role}}","content":"hi"}]}""");

        Assert.Empty(await batch.PumpAsync());

        job = await batch.FindAsync(job.Id);
        Assert.Equal(expected, job.State);
        Assert.Equal(expected == JobState.Succeeded ? "[user]hi".Length : 0, job.PromptTokens);
    }

    [Theory]
    [InlineData("article.txt", "Once upon", """{"id":"blob-text","input_blob":"inputs/article.txt","max_tokens":5}""")]
    [InlineData("article.json", """{"prompt":"Once upon","max_tokens":99}""", """{"id":"blob-json","input_blob":"inputs/article.json","max_tokens":5}""")]
    public async Task ProcessAsync_TakesThePromptFromABlob_WhenTheMessageNamesOne(string name, string content, string message)
    {
        await using var batch = await TestBatch.StartAsync(storage);
        await batch.Clients.Blobs.GetBlobContainerClient("inputs").GetBlobClient(name).UploadAsync(BinaryData.FromString(content), overwrite: true, Cancellation);
        await batch.EnqueueAsync(message);

        Assert.Empty(await batch.PumpAsync());

        var request = Assert.Single(batch.Engine.Requests);
        Assert.Equal("Once upon", new string([.. request.PromptTokenIds.Select(id => (char)id)]));
        Assert.Equal(5, request.Sampling.MaxTokens);
    }

    [Fact]
    public async Task ProcessAsync_HandsTheFaultToTheQueueAndRunsAgainWithTheSameSeed_WhenTheEngineFails()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Engine.Faults.Enqueue(new InvalidOperationException("out of memory"));
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");

        Assert.IsType<InvalidOperationException>(Assert.Single(await batch.PumpAsync()));
        var between = await batch.FindAsync(job.Id);
        Assert.Empty(await batch.PumpAsync());

        Assert.Equal(JobState.Queued, between.State);
        Assert.Contains("out of memory", between.LastError, StringComparison.Ordinal);
        Assert.Equal((JobState.Succeeded, 2, 0), ((await batch.FindAsync(job.Id)).State, (await batch.FindAsync(job.Id)).Attempts, (await batch.FindAsync(job.Id)).Preemptions));
        Assert.Single(batch.Engine.Requests.Select(r => r.Sampling.Seed).Distinct());
    }

    [Fact]
    public async Task ProcessAsync_EnqueuesAgainWithADelay_WhenTheJobMayNotStartYet()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var start = batch.Time.GetUtcNow().AddDays(30);
        var job = await batch.SubmitAsync($$"""{"prompt":"Once","not_before":"{{start:O}}"}""");
        Assert.Null(await batch.ReceiveAsync());
        await batch.EnqueueAsync($$"""{"jobId":"{{job.Id}}"}""");

        Assert.Empty(await batch.PumpAsync());
        Assert.Equal((JobState.Queued, 0), ((await batch.FindAsync(job.Id)).State, batch.Engine.Requests.Count));

        batch.Time.SetUtcNow(start);
        await batch.EnqueueAsync($$"""{"jobId":"{{job.Id}}"}""");
        Assert.Empty(await batch.PumpAsync());
        Assert.Equal(JobState.Succeeded, (await batch.FindAsync(job.Id)).State);
    }

    [Fact]
    public async Task ProcessAsync_ExpiresTheJobUnrun_WhenItsDeadlineHasPassed()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync($$"""{"prompt":"Once","deadline":{{batch.Time.GetUtcNow().AddMinutes(1).ToUnixTimeSeconds()}}}""");
        batch.Time.Advance(TimeSpan.FromMinutes(1));

        Assert.Empty(await batch.PumpAsync());

        Assert.Equal((JobState.Expired, 0, false), ((await batch.FindAsync(job.Id)).State, batch.Engine.Requests.Count, (await batch.FindAsync(job.Id)).HasResult));
        Assert.Equal("batch.job.expired", Text(Assert.Single(await batch.EventsAsync()), "type"));
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
