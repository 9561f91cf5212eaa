using System.Security.Cryptography;
using System.Text;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests;

/// <summary>How jobs come to exist, are listed and audited.</summary>
public sealed class SubmissionTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestBatch.Cancellation;

    [Fact]
    public async Task SubmitAsync_GivesTheSameJob_WhenKeyAndContentAreTheSame()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var first = await batch.SubmitAsync("""{"prompt":"Once"}""", key: "k1");
        var again = await batch.SubmitAsync("""{ "prompt": "Once" }""", key: "k1");
        var other = await Assert.ThrowsAsync<InvalidJobException>(() => batch.SubmitAsync("""{"prompt":"Twice"}""", key: "k1"));

        Assert.Equal((first.Id, first.Seed), (again.Id, again.Seed));
        Assert.Equal(JobErrorCode.IdempotencyConflict, other.Code);
        Assert.Empty(await batch.PumpAsync());
        Assert.Single(batch.Engine.Requests);
    }

    [Fact]
    public async Task SubmitAsync_IsHealedBySubmittingAgain_WhenItCrashesAfterAnyWrite()
    {
        for (var write = 1; write <= 5; write++)
        {
            await using var batch = await TestBatch.StartAsync(storage);
            var body = $$"""{"id":"heal-{{write}}","prompt":"{{new string('x', 40_000)}}"}""";
            batch.Faults.CrashAfterWrite(write);
            await Assert.ThrowsAsync<SimulatedCrashException>(() => batch.SubmitAsync(body));
            batch.Faults.Revive();

            await batch.SubmitAsync(body);
            Assert.Empty(await batch.PumpAsync());

            Assert.Equal(JobState.Succeeded, (await batch.FindAsync($"heal-{write}")).State);
            Assert.Single(batch.Engine.Requests);
            Assert.Single(await batch.AuditAsync($"heal-{write}"));
        }
    }

    [Fact]
    public async Task SubmitAsync_KeepsTwoTenantsApart_WhenTheyChooseTheSameId()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var acme = new Caller("acme", ApiScopes.Admin, "theirs");
        var ours = await batch.SubmitAsync("""{"id":"chosen-by-both","prompt":"Once","seed":1}""");
        var theirs = await batch.Intake.SubmitAsync("""{"id":"chosen-by-both","prompt":"Twice","seed":2}"""u8.ToArray(), null, acme, "test", Cancellation);

        Assert.Empty(await batch.PumpAsync());
        var events = (await batch.EventsAsync()).Select(sent => sent.GetProperty("id").GetString()).Order(StringComparer.Ordinal);
        var (shownToUs, shownToThem) = (await batch.Reader.FindAsync(ours.Id, TestBatch.Tester, Cancellation), await batch.Reader.FindAsync(theirs.Id, acme, Cancellation));

        Assert.Equal((ours.Id, ScriptedEngine.TextOf(1), ScriptedEngine.TextOf(2)), (theirs.Id, shownToUs!.Text, shownToThem!.Text));
        Assert.NotEqual(shownToUs.ResultUrl, shownToThem.ResultUrl);
        Assert.Equal(["acme:chosen-by-both:succeeded", "chosen-by-both:succeeded"], events);
        Assert.Equal("acme", Assert.Single((await batch.Reader.ListAsync(100, null, acme, Cancellation))!.Data, job => job.Id == theirs.Id).Tenant);
        Assert.Null(await batch.Store.FindAsync("acme:chosen-by-both", TestBatch.Tester.Tenant, Cancellation));
    }

    [Fact]
    public async Task FromQueueAsync_KeepsTheTraceOfTheMessage_WhereNobodyRecords()
    {
        const string Traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        await using var batch = await TestBatch.StartAsync(storage);
        await batch.EnqueueAsync($$"""{"id":"traced","prompt":"Once","traceparent":"{{Traceparent}}"}""");
        await batch.EnqueueAsync("""{"id":"mistraced","prompt":"Once","traceparent":"00-0-0-00"}""");

        await batch.PumpAsync();

        Assert.Equal((JobState.Succeeded, Traceparent), ((await batch.FindAsync("traced")).State, (await batch.FindAsync("traced")).Traceparent));
        Assert.Equal((JobState.Failed, "traceparent"), ((await batch.FindAsync("mistraced")).State, (await batch.FindAsync("mistraced")).ErrorParam));
    }

    [Fact]
    public async Task ListAsync_GivesNewestFirstPageByPage()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        batch.Time.SetUtcNow(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
        for (var i = 1; i <= 3; i++)
        {
            await batch.SubmitAsync($$"""{"id":"list-{{i}}","prompt":"Once"}""");
            batch.Time.Advance(TimeSpan.FromSeconds(1));
        }

        var first = await batch.Reader.ListAsync(2, after: null, TestBatch.Tester, Cancellation);
        var second = await batch.Reader.ListAsync(1, after: first!.LastId, TestBatch.Tester, Cancellation);

        Assert.Equal(["list-3", "list-2"], first.Data.Select(job => job.Id));
        Assert.True(first.HasMore);
        Assert.Equal(["list-1"], second!.Data.Select(job => job.Id));
        Assert.Null(await batch.Reader.ListAsync(1, after: "nobody", TestBatch.Tester, Cancellation));
    }

    [Fact]
    public async Task SubmitAsync_KeepsTheRowAndTheEventWithinTheirLimits_WhenMetadataIsAsLongAsAllowed()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var pairs = string.Join(',', Enumerable.Range(0, 16).Select(i => $"\"{i:D64}\":\"{new string('長', 512)}\""));
        var job = await batch.SubmitAsync($$$"""{"prompt":"Once","metadata":{{{{pairs}}}}}""");

        Assert.Empty(await batch.PumpAsync());

        Assert.Equal(16, (await batch.Reader.FindAsync(job.Id, TestBatch.Tester, Cancellation))!.Metadata!.Count);
        Assert.Single(await batch.EventsAsync());
        var escapes = pairs.Replace("長長", "😀", StringComparison.Ordinal);
        Assert.Contains("bytes as JSON", (await Assert.ThrowsAsync<InvalidJobException>(() => batch.SubmitAsync($$$"""{"prompt":"Once","metadata":{{{{escapes}}}}}"""))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Row_HoldsNoColumnThatFollowsFromOthers()
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");

        var row = (await batch.Clients.Tables.GetTableClient(JobStore.JobsTable).GetEntityAsync<Azure.Data.Tables.TableEntity>(job.Id, Job.Row, cancellationToken: Cancellation)).Value;

        Assert.DoesNotContain(row.Keys, key => key is nameof(Job.Id) or nameof(Job.IsFinished) or nameof(Job.EventId));
        Assert.Equal("Queued", row.GetString("State"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Audit_HoldsThePromptOnly_WhenConfigured(bool include)
    {
        await using var batch = await TestBatch.StartAsync(storage, audit: new() { IncludePrompt = include });
        var prompt = $"a wish that is secret: {include}";
        var job = await batch.SubmitAsync($$"""{"prompt":"{{prompt}}","stop":["{{prompt}}"],"temperature":0.5}""");
        await batch.EnqueueAsync($$"""{"prompt":"{{prompt}}","max_tokens":0}""");
        await batch.EnqueueAsync($$"""{"prompt":"{{prompt}}" """);
        await batch.PumpAsync();

        var row = Assert.Single(await batch.AuditAsync(job.Id));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(prompt))), row.GetString("PromptSha256"));
        Assert.Equal("""{"temperature":0.5,"stop_strings":1}""", row.GetString("Parameters"));
        var holders = (await batch.AuditAsync()).SelectMany(entity => entity).Where(pair => pair.Value is string text && text.Contains(prompt, StringComparison.Ordinal));
        Assert.Equal(include ? ["Prompt"] : [], holders.Select(pair => pair.Key));
    }
}
