using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests;

/// <summary>What was answered with 202 ends, and what was given up can be found and run again.</summary>
public sealed class SweepTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestBatch.Cancellation;

    [Fact]
    public async Task SubmitAsync_EndsInTheJobsEvent_WhereverItDiesAfterTheRow()
    {
        for (var write = 1; write <= 10; write++)
        {
            await using var batch = await TestBatch.StartAsync(storage);
            var id = $"forgotten-{write}";
            batch.Time.Advance(TimeSpan.FromDays(100 + write)); // where no other test's jobs are
            batch.Faults.CrashAfterWrite(write);
            try
            {
                await batch.SubmitAsync($$"""{"id":"{{id}}","prompt":"Once"}""");
                batch.Faults.Revive();
                return; // no write was left to die after
            }
            catch (SimulatedCrashException)
            {
                batch.Faults.Revive();
            }

            if (await batch.Store.FindAsync(id, Caller.DefaultTenant, Cancellation) is null)
            {
                continue; // it was never there, and nobody was told that it is
            }

            batch.Time.Advance(TimeSpan.FromMinutes(10));
            await batch.SweepAsync();
            await batch.SweepAsync();
            Assert.Empty(await batch.PumpAsync());

            Assert.Equal(JobState.Succeeded, (await batch.FindAsync(id)).State);
            Assert.Single(batch.Engine.Requests);
        }

        Assert.Fail("more writes than a submission has");
    }

    [Fact]
    public async Task SweepAsync_EnqueuesNothing_ForJobsThatHaveTheirMessage()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Time.Advance(TimeSpan.FromDays(90));
        var ran = await batch.SubmitAsync("""{"prompt":"runs"}""");
        await batch.PumpAsync();
        var waits = await batch.SubmitAsync("""{"prompt":"waits"}""");
        var sent = batch.Faults.Sent.Count;

        batch.Time.Advance(TimeSpan.FromMinutes(1));
        await batch.SweepAsync();

        Assert.Equal(sent, batch.Faults.Sent.Count);
        Assert.Equal((JobState.Succeeded, JobState.Queued), ((await batch.FindAsync(ran.Id)).State, (await batch.FindAsync(waits.Id)).State));
    }

    [Fact]
    public async Task SweepAsync_RecordsWhatIsNoMessageAtAll_AndTriesToGiveUpAgainWhatIs()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");
        var body = (await batch.ReceiveAsync())!.Body.ToArray();
        var undeliverable = batch.Clients.Raw!.GetQueueClient($"{JobQueues.PoisonJobs}-poison");
        await undeliverable.CreateIfNotExistsAsync(cancellationToken: Cancellation);
        await undeliverable.ClearMessagesAsync(Cancellation);
        await undeliverable.SendMessageAsync("{ no base64 }", Cancellation);
        await undeliverable.SendMessageAsync(Convert.ToBase64String(body), Cancellation);

        await batch.SweepAsync();

        var sent = Assert.Single(await batch.EventsAsync());
        Assert.Equal("batch.job.failed", sent.GetProperty("type").GetString());
        var recorded = await batch.FindAsync(sent.GetProperty("data").GetProperty("job_id").GetString()!);
        Assert.Contains("base64", recorded.ErrorMessage, StringComparison.Ordinal);
        Assert.Contains(job.Id, (await batch.ReceiveAsync(JobQueues.PoisonJobs))!.Body.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, (await undeliverable.GetPropertiesAsync(Cancellation)).Value.ApproximateMessagesCount);
    }

    [Fact]
    public async Task ReplayAsync_RunsTheFailedJobsAgainThatTheFilterMeans()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var tenant = $"t{Guid.NewGuid():N}";
        var caller = new Caller(tenant, ApiScopes.Submit, "tester");
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            batch.Time.Advance(TimeSpan.FromSeconds(1));
            var job = await batch.Intake.SubmitAsync("""{"prompt":"Once"}"""u8.ToArray(), null, caller, "test", Cancellation);
            ids.Add(job.Id);
            var message = (await batch.ReceiveAsync())!;
            await (i == 2 ? batch.Processor.ProcessAsync(message, Cancellation) : batch.Processor.GiveUpAsync(message, Cancellation));
        }

        var since = (await batch.Store.FindAsync(ids[1], tenant, Cancellation))!.CreatedAt;

        var other = await batch.Control.ReplayAsync(new ReplayFilter(tenant, Code: "model_not_found"), caller, Cancellation);
        var first = await batch.Control.ReplayAsync(new ReplayFilter(tenant, "retries_exhausted", since, Limit: 2), caller, Cancellation);
        var rest = await batch.Control.ReplayAsync(new ReplayFilter(tenant, "retries_exhausted", since, Limit: 2, After: first.After), caller, Cancellation);
        Assert.Empty(await batch.PumpAsync());

        Assert.Empty(other.Replayed);
        Assert.Equal([ids[4], ids[3]], first.Replayed);
        Assert.Equal([ids[1]], rest.Replayed);
        Assert.Equal((true, false), (first.HasMore, rest.HasMore));
        var states = await Task.WhenAll(ids.Select(id => batch.Store.FindAsync(id, tenant, Cancellation)));
        Assert.Equal([JobState.Failed, JobState.Succeeded, JobState.Succeeded, JobState.Succeeded, JobState.Succeeded], states.Select(job => job!.State));
        UseStoragesTime(batch);
        batch.Time.Advance(TimeSpan.FromMinutes(10));
        await batch.SweepAsync();
        var failed = (await batch.Clients.Queues.GetQueueClient(JobQueues.FailedJobs).GetPropertiesAsync(Cancellation)).Value;
        Assert.Equal(1, failed.ApproximateMessagesCount); // names the one that still is
    }

    [Fact]
    public async Task EnterAsync_LetsNobodyIn_BeyondTheCaps()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var (crowd, other) = (new Caller($"t{Guid.NewGuid():N}", ApiScopes.Submit, "tester"), new Caller($"t{Guid.NewGuid():N}", ApiScopes.Submit, "tester"));
        UseStoragesTime(batch);
        var room = batch.NewRoom(most: 5, mostPerTenant: 3);
        for (var i = 0; i < 3; i++)
        {
            await SubmitAsync(crowd, $"k{i}");
        }

        var own = await Assert.ThrowsAsync<InvalidJobException>(() => SubmitAsync(crowd));
        var again = await SubmitAsync(crowd, "k1"); // its caller got no answer
        await Assert.ThrowsAsync<InvalidJobException>(() => SubmitAsync(other with { Tenant = crowd.Tenant }, "k3"));
        await SubmitAsync(other);
        await SubmitAsync(other);
        var all = await Assert.ThrowsAsync<InvalidJobException>(() => SubmitAsync(other));
        await batch.PumpAsync();
        batch.Time.Advance(TimeSpan.FromSeconds(3));
        await SubmitAsync(crowd);

        Assert.Equal((JobErrorCode.QueueFull, JobErrorCode.QueueFull), (own.Code, all.Code));
        Assert.Equal(crowd.Tenant, again.Tenant);
        Assert.NotNull(own.RetryAfter);
        Assert.Contains("at most 3", own.Message, StringComparison.Ordinal);
        Assert.Contains("at most 5", all.Message, StringComparison.Ordinal);

        async Task<Job> SubmitAsync(Caller caller, string? key = null)
        {
            var body = """{"prompt":"Once"}"""u8.ToArray();
            await room.EnterAsync(caller.Tenant, () => batch.Intake.HasAcceptedAsync(body, key, caller, Cancellation), Cancellation);
            return await batch.Intake.SubmitAsync(body, key, caller, "test", Cancellation);
        }
    }

    // By which messages are as old as they are.
    private static void UseStoragesTime(TestBatch batch)
    {
        var now = TimeProvider.System.GetUtcNow();
        batch.Time.SetUtcNow(now > batch.Time.GetUtcNow() ? now : batch.Time.GetUtcNow());
    }
}
