using System.Text.Json;
using Azure.Data.Tables;
using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests.Batches;

/// <summary>A batch from its file to its event.</summary>
public sealed class BatchLifeTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Batch_EndsCompletedWithEveryLineInOneOfItsFiles()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var bad = TestBatches.Line("bad", """{"prompt":"Once","temperature":9}""");
        var batch = await batches.CreateAsync("\uFEFF" + TestBatches.Lines(5) + "\r\n" + bad, more: ""","metadata":{"team":"news"}""");
        Assert.Equal(BatchState.Validating, batch.State);

        var view = await batches.FinishedAsync(batch);

        Assert.Equal(BatchState.Completed, view.Status);
        Assert.Equal(new BatchCounts(6, 5, 1), view.RequestCounts);
        Assert.Equal((5, 1, 1), (view.Outcome.Succeeded, view.Outcome.Errored, view.Outcome.Errors["invalid_request"]));
        Assert.Equal((30, 15, 45), ((int)view.Usage.InputTokens, (int)view.Usage.OutputTokens, (int)view.Usage.TotalTokens));
        Assert.Equal("news", view.Metadata!["team"]);
        Assert.NotNull(view.CompletedAt);
        var audit = batches.Clients.Tables.GetTableClient(AuditLog.AuditTable).QueryAsync<TableEntity>(row => row.PartitionKey == "default_2026-03-04", cancellationToken: Cancellation);
        var audited = await audit.Where(row => row.GetString("BatchId") == batch.Id).SingleAsync(Cancellation);
        Assert.Equal(("tester", "Completed", 5), (audited.GetString("Caller"), audited.GetString("Outcome"), audited.GetInt32("Succeeded")));
        var lines = await batches.ReadAsync(view.OutputFileId);
        Assert.Equal(["line-1", "line-2", "line-3", "line-4", "line-5"], lines.Select(line => Text(line, "custom_id")).Order(StringComparer.Ordinal));
        var response = lines[0].GetProperty("response");
        Assert.Equal((200, JsonValueKind.Null), (response.GetProperty("status_code").GetInt32(), lines[0].GetProperty("error").ValueKind));
        var body = response.GetProperty("body");
        Assert.Equal(("text_completion", "scripted", "stop"), (Text(body, "object"), Text(body, "model"), Text(body.GetProperty("choices")[0], "finish_reason")));
        Assert.Equal((6, 3, 9), (Number(body.GetProperty("usage"), "prompt_tokens"), Number(body.GetProperty("usage"), "completion_tokens"), Number(body.GetProperty("usage"), "total_tokens")));
        var error = Assert.Single(await batches.ReadAsync(view.ErrorFileId));
        Assert.Equal(("bad", 400), (Text(error, "custom_id"), error.GetProperty("response").GetProperty("status_code").GetInt32()));
        Assert.Equal("temperature", Text(error.GetProperty("response").GetProperty("body").GetProperty("error"), "param"));
    }

    [Fact]
    public async Task Batch_TellsOfItsEndOnce_WithOneIdOnQueueAndWebhook()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var batch = await batches.CreateAsync(TestBatches.Lines(1), more: ""","webhook_url":"https://example.org/hook" """);

        await batches.FinishedAsync(batch);
        var delivery = await batches.Webhooks.Deliveries.ListAsync(DeliveryLog.OfBatch(batch.Id), null, null, Cancellation).SingleAsync(Cancellation);
        await batches.Webhooks.AttemptAsync(delivery);
        await batches.Webhooks.AttemptAsync(delivery);

        var sent = Assert.Single(await batches.EventsAsync());
        Assert.Equal(($"{batch.Id}:completed", "batch.completed", batch.Id), (Text(sent, "id"), Text(sent, "type"), Text(sent, "subject")));
        var (headers, body) = Assert.Single(batches.Receiver.Requests);
        var hook = JsonDocument.Parse(body).RootElement;
        Assert.Equal($"{batch.Id}:completed", headers["webhook-id"]);
        Assert.Equal(("event", "batch.completed", batch.Id), (Text(hook, "object"), Text(hook, "type"), Text(hook.GetProperty("data"), "id")));
        Assert.Equal(WebhookState.Delivered, (await batches.FindAsync(batch)).WebhookState);
    }

    [Fact]
    public async Task Batch_EndsWithEachLineCountedOnceAndOneEventId_WhenItCrashesAfterAnyWrite()
    {
        var crashes = 0;
        for (var write = 1; write <= 80; write++)
        {
            await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = 2 });
            var bad = TestBatches.Line("bad", """{"prompt":"Once","temperature":9}""");
            var batch = await batches.CreateAsync(TestBatches.Lines(3) + bad);
            batches.Faults.CrashAfterWrite(write);
            var crashed = await batches.PumpAsync(async () => (await batches.FindAsync(batch)) is { EventState: EventState.Published });
            if (crashed is null)
            {
                break;
            }

            Assert.IsType<SimulatedCrashException>(crashed);
            crashes++;
            Assert.Null(await batches.PumpAsync());

            var row = await batches.FindAsync(batch);
            Assert.Equal((BatchState.Completed, 3, 1, 18, 9), (row.State, row.Succeeded, row.Errored, (int)row.InputTokens, (int)row.OutputTokens));
            Assert.Equal(["line-1", "line-2", "line-3"], (await batches.ReadAsync(row.OutputFileId)).Select(line => Text(line, "custom_id")).Order(StringComparer.Ordinal));
            Assert.Equal("bad", Text(Assert.Single(await batches.ReadAsync(row.ErrorFileId)), "custom_id"));
            Assert.Equal([$"{batch.Id}:completed"], (await batches.EventsAsync()).Select(sent => Text(sent, "id")).Distinct());
            Assert.False(await batches.Store.HasActiveAsync(Cancellation));
            Assert.Empty(await batches.Blobs.ListOutcomesAsync(row, Cancellation).ToListAsync(Cancellation));
        }

        Assert.InRange(crashes, 20, 79);
    }

    [Fact]
    public async Task Batch_IsCollectedOnce_WhenTwoDispatchersTurnAtTheSameTime()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var batch = await batches.CreateAsync(TestBatches.Lines(40));
        await batches.DispatchAsync();
        await batches.RunLinesAsync();
        var row = await batches.FindAsync(batch);

        // Beside each other without turns, which are for order only.
        var collectors = Enumerable.Range(0, 4).Select(_ => new BatchCollector(batches.Store, batches.Blobs, new BatchFiles(batches.Blobs, batches.Files), batches.Time)).ToList();
        await Task.WhenAll(collectors.Select(collector => Task.Run(() => collector.AdvanceAsync(row, Cancellation))));

        var view = await batches.FinishedAsync(batch);
        Assert.Equal(new BatchCounts(40, 40, 0), view.RequestCounts);
        Assert.Equal(40, (await batches.ReadAsync(view.OutputFileId)).Select(line => Text(line, "custom_id")).Distinct().Count());
        Assert.Equal(40, (await batches.ReadAsync(view.OutputFileId)).Count);
    }

    [Fact]
    public async Task Cancel_KeepsWhatHasEndedAndGivesTheRestAsCancelled()
    {
        await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = 4 });
        var batch = await batches.CreateAsync(TestBatches.Lines(12));
        await batches.DispatchAsync();
        await batches.RunLinesAsync(most: 3);
        await batches.TurnAsync();
        await batches.DispatchAsync();
        var during = await batches.Reader.FindAsync(batch.Tenant, batch.Id, Cancellation);
        Assert.Equal(3, (await batches.ReadAsync(during!.OutputFileId)).Count);

        var cancelling = await batches.Control.CancelAsync(batch.Id, TestBatches.Tester, Cancellation);
        var view = await batches.FinishedAsync(batch);

        Assert.Equal(BatchState.Cancelling, cancelling!.State);
        Assert.Equal((BatchState.Cancelled, 3, 9), (view.Status, view.Outcome.Succeeded, view.Outcome.Cancelled));
        Assert.Equal(3, (await batches.ReadAsync(view.OutputFileId)).Count);
        var errors = await batches.ReadAsync(view.ErrorFileId);
        Assert.Equal(9, errors.Select(line => Text(line, "custom_id")).Distinct().Count());
        Assert.All(errors, line => Assert.Equal("batch_cancelled", Text(line.GetProperty("error"), "code")));
        Assert.Equal("batch.cancelled", Text(Assert.Single(await batches.EventsAsync()), "type"));
        await Assert.ThrowsAsync<InvalidJobException>(() => batches.Control.CancelAsync(batch.Id, TestBatches.Tester, Cancellation));
    }

    [Fact]
    public async Task Expiry_KeepsWhatHasEndedAndGivesTheRestAsExpired_WhenTheWindowIsOver()
    {
        await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = 4 });
        var batch = await batches.CreateAsync(TestBatches.Lines(10), window: "PT30M");
        await batches.DispatchAsync();
        await batches.RunLinesAsync(most: 2);

        batches.Time.Advance(TimeSpan.FromMinutes(30));
        var view = await batches.FinishedAsync(batch);

        Assert.Equal((BatchState.Expired, 2, 8), (view.Status, view.Outcome.Succeeded, view.Outcome.Expired));
        Assert.NotNull(view.ExpiredAt);
        Assert.All(await batches.ReadAsync(view.ErrorFileId), line => Assert.Equal("batch_expired", Text(line.GetProperty("error"), "code")));
    }

    [Fact]
    public async Task Expiry_EndsABatchWhoseSlicesNobodyRuns_AfterAMoment()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var batch = await batches.CreateAsync(TestBatches.Lines(3), window: "60s");
        await batches.DispatchAsync();

        batches.Time.Advance(TimeSpan.FromMinutes(1));
        await batches.TurnAsync();
        await batches.DispatchAsync();
        Assert.Equal(BatchState.Finalizing, (await batches.FindAsync(batch)).State);
        batches.Time.Advance(TimeSpan.FromMinutes(1));
        await batches.TurnAsync();
        await batches.DispatchAsync();

        Assert.Equal((BatchState.Expired, 3), ((await batches.FindAsync(batch)).State, (await batches.FindAsync(batch)).ExpiredLines));

        // Too late: what still waits on the queue finds the batch ended.
        Assert.Null((await batches.RunLinesAsync()).Fault);
        Assert.Empty(batches.Engine.Requests);
    }

    [Fact]
    public async Task Pause_AdmitsNothingUntilResumed()
    {
        await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = 2 });
        var batch = await batches.CreateAsync(TestBatches.Lines(6));
        await batches.DispatchAsync();

        await batches.Control.PauseAsync(batch.Id, paused: true, TestBatches.Tester, Cancellation);
        Assert.Null(await batches.PumpAsync());
        var paused = await batches.FindAsync(batch);
        var view = await batches.Reader.FindAsync(batch.Tenant, batch.Id, Cancellation);
        await batches.Control.PauseAsync(batch.Id, paused: false, TestBatches.Tester, Cancellation);

        Assert.Equal((2, BatchState.InProgress), (paused.Succeeded, paused.State));
        Assert.Equal((true, "the batch is paused"), (view!.Paused, view.Progress!.WaitingFor));
        Assert.Equal(6, (await batches.FinishedAsync(batch)).Outcome.Succeeded);
    }

    [Fact]
    public async Task Resubmit_MakesABatchOfTheLinesThatDidNotSucceed()
    {
        await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = 4 });
        var batch = await batches.CreateAsync(TestBatches.Lines(9));
        await batches.DispatchAsync();
        await batches.RunLinesAsync(most: 3);
        await batches.Control.CancelAsync(batch.Id, TestBatches.Tester, Cancellation);
        var first = await batches.FinishedAsync(batch);

        var again = await batches.Control.ResubmitAsync(batch.Id, "key", TestBatches.Tester, Cancellation);
        var same = await batches.Control.ResubmitAsync(batch.Id, "key", TestBatches.Tester, Cancellation);
        var second = await batches.FinishedAsync(again!);

        Assert.Equal(again!.Id, same!.Id);
        Assert.Equal((3, 6, 6), (first.Outcome.Succeeded, second.RequestCounts.Total, second.Outcome.Succeeded));
        var ids = (await batches.ReadAsync(first.OutputFileId)).Concat(await batches.ReadAsync(second.OutputFileId)).Select(line => Text(line, "custom_id"));
        Assert.Equal(9, ids.Distinct().Count());
    }

    [Fact]
    public async Task Line_IsTriedAgainAndThenGivenUpAlone_WhenTheEngineFailsOnIt()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var batch = await batches.CreateAsync(TestBatches.Lines(1));
        await batches.DispatchAsync();
        foreach (var _ in Enumerable.Range(0, 5))
        {
            batches.Engine.Faults.Enqueue(new InvalidOperationException("out of memory"));
        }

        foreach (var _ in Enumerable.Range(0, 4))
        {
            Assert.IsType<InvalidOperationException>((await batches.RunLinesAsync(most: 1)).Fault);
        }

        var view = await batches.FinishedAsync(batch);

        Assert.Equal((BatchState.Completed, 1), (view.Status, view.Outcome.Errors["retries_exhausted"]));
        Assert.Contains("out of memory", Text(Assert.Single(await batches.ReadAsync(view.ErrorFileId)).GetProperty("error"), "message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_GivesTheSameBatch_WhenKeyAndRequestAreTheSame()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var file = await batches.UploadAsync(TestBatches.Lines(1));
        var key = Guid.NewGuid().ToString();

        var first = await batches.CreateOfFileAsync(file, key: key);
        var again = await batches.CreateOfFileAsync(file, key: key);
        var other = await Assert.ThrowsAsync<InvalidJobException>(() => batches.CreateOfFileAsync(file, key: key, window: "7d"));

        Assert.Equal(first.Id, again.Id);
        Assert.Equal(JobErrorCode.IdempotencyConflict, other.Code);
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private static int Number(JsonElement element, string name) => element.GetProperty(name).GetInt32();
}
