using System.Text;
using System.Text.Json;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Batch.Jobs.Schedules;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests;

/// <summary>Schedules on real storage with a clock of their own, which stands at 2026-03-04 05:06:07 UTC, a Wednesday.</summary>
public sealed class ScheduleTests(StorageEmulator storage) : IAsyncLifetime
{
    private string _tenant = $"t{Guid.NewGuid():N}";
    private TestBatch _batch = null!;
    private ScheduleStore _store = null!;
    private ScheduleRunner _runner = null!;
    private ScheduleControl _control = null!;

    private Caller Owner => new(_tenant, ApiScopes.Admin, "tester");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _batch = await TestBatch.StartAsync(storage);
        _store = new ScheduleStore(_batch.Clients);
        (_runner, _control) = Replica();
        // What other tests left due would run with ours.
        await foreach (var left in _store.DueAsync(DateTimeOffset.MaxValue, Cancellation))
        {
            await _store.DeleteAsync(left, Cancellation);
        }
    }

    public ValueTask DisposeAsync() => _batch.DisposeAsync();

    [Fact]
    public async Task RunDueAsync_AtTheTick_HandsInTheRenderedJobOnce()
    {
        var schedule = await CreateAsync("""
            {"cron": "0 9 * * *", "time_zone": "Asia/Shanghai", "variables": {"tone": "平静"},
             "job": {"prompt": "{{ today }} 第 {{ run }} 篇，{{ vars.tone }}，{{ now | date.to_string '%H:%M' }}", "max_tokens": 5, "seed": 1}}
            """);

        await RunAtAsync("2026-03-05T00:59:59Z");
        Assert.Empty(await JobsAsync());
        await RunAtAsync("2026-03-05T01:00:03Z");
        await RunAtAsync("2026-03-05T01:00:13Z");

        var job = Assert.Single(await JobsAsync());
        Assert.Equal("2026-03-05 第 1 篇，平静，09:00", await PromptAsync(job));
        var run = Assert.Single(await RunsAsync(schedule));
        Assert.Equal((ScheduleRunState.Submitted, 1, job.Id, 0), (run.State, run.Jobs, run.FirstJobId, run.Missed));
        Assert.Equal("2026-03-06T09:00:00+08:00", ScheduleView.Of(await FindAsync(schedule)).NextRuns[0]);
    }

    [Fact]
    public async Task RunDueAsync_SeveralReplicasAtOnce_MakeOneRunAndOneJob()
    {
        var schedule = await CreateAsync("""{"cron": "*/10 * * * *", "job": {"prompt": "run {{ run }}"}}""");
        _batch.Time.SetUtcNow(At("2026-03-04T05:10:01Z"));

        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Replica().Runner.RunDueAsync(Cancellation)));

        Assert.Single(await JobsAsync());
        Assert.Equal(1, Assert.Single(await RunsAsync(schedule)).Number);
        Assert.Equal(1, (await FindAsync(schedule)).Runs);
    }

    [Fact]
    public async Task RunDueAsync_CrashAfterEachWrite_EndsWithTheJobsOfOneRun()
    {
        await UploadAsync("inputs", "crash.csv", "topic\n海\n山\n");
        var crashes = 0;
        for (var write = 1; ; write++)
        {
            _tenant = $"t{Guid.NewGuid():N}";
            var schedule = await CreateAsync("""{"cron": "*/10 * * * *", "rows_blob": "inputs/crash.csv", "job": {"prompt": "{{ row.topic }} {{ run }}"}}""");
            var tick = (await FindAsync(schedule)).NextRunAt!.Value;
            _batch.Time.SetUtcNow(tick.AddSeconds(1));
            _batch.Faults.CrashAfterWrite(write);
            var crashed = false;
            try
            {
                await _runner.RunDueAsync(Cancellation);
            }
            catch (SimulatedCrashException)
            {
                crashed = true;
                crashes++;
            }

            _batch.Faults.Revive();
            _batch.Time.Advance(TimeSpan.FromMinutes(3)); // what a dead replica claimed counts no longer
            await Replica().Runner.RunDueAsync(Cancellation);

            var run = Assert.Single(await RunsAsync(schedule));
            Assert.Equal((ScheduleRunState.Submitted, 2, 1), (run.State, run.Jobs, run.Number));
            Assert.Equal(2, (await JobsAsync()).Count);
            await _store.DeleteAsync(schedule, Cancellation);
            if (!crashed)
            {
                break;
            }
        }

        Assert.True(crashes >= 8, $"{crashes} crash points");
    }

    [Fact]
    public async Task RunDueAsync_OfABatch_MakesItOnceWithALineForEachRow_WhateverWriteWasTheLast()
    {
        await UploadAsync("inputs", "lines.csv", "sku,topic\na,海\nb,山\n");
        var crashes = 0;
        for (var crashed = true; crashed && crashes < 60; crashes += crashed ? 1 : 0)
        {
            _tenant = $"t{Guid.NewGuid():N}";
            var schedule = await CreateAsync("""
                {"cron": "*/10 * * * *", "rows_blob": "inputs/lines.csv", "webhook_url": "https://example.org/hook",
                 "batch": {"endpoint": "/v1/completions", "completion_window": "6h", "metadata": {"run": "{{ run }}"}, "custom_id": "{{ row.sku }}",
                           "body": {"prompt": "{{ row.topic }} {{ row_number }}", "max_tokens": 5} } }
                """);
            _batch.Time.SetUtcNow((await FindAsync(schedule)).NextRunAt!.Value.AddSeconds(1));
            _batch.Faults.CrashAfterWrite(crashes + 1);
            crashed = await Record.ExceptionAsync(() => _runner.RunDueAsync(Cancellation)) is SimulatedCrashException;

            _batch.Faults.Revive();
            _batch.Time.Advance(TimeSpan.FromMinutes(3)); // what a dead replica claimed counts no longer
            await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Replica().Runner.RunDueAsync(Cancellation)));

            var run = Assert.Single(await RunsAsync(schedule));
            var batch = Assert.Single(await BatchesAsync());
            Assert.Equal((ScheduleRunState.Submitted, batch.Id, 2, 0), (run.State, run.BatchId, run.Lines, run.Refused));
            Assert.Equal(("6h", "https://example.org/hook", "\"1\""), (batch.CompletionWindow, batch.WebhookUrl, batch.Metadata![7..^1]));
            Assert.Equal(["a 海 1", "b 山 2"], await LinesAsync(batch));
            await _store.DeleteAsync(schedule, Cancellation);
        }

        Assert.InRange(crashes, 8, 59);
    }

    [Fact]
    public async Task RunDueAsync_OfABatchWithRowsThatCannotBeRendered_LeavesTheseOut()
    {
        await UploadAsync("inputs", "some.jsonl", "{\"topic\":\"海\"}\n{\"other\":1}\n");
        var schedule = await CreateAsync("""
            {"cron": "0 9 * * *", "rows_blob": "inputs/some.jsonl", "batch": {"endpoint": "/v1/completions", "completion_window": "24h", "body": {"prompt": "{{ row.topic }}"} } }
            """);

        await RunAtAsync("2026-03-04T09:00:01Z");

        var run = Assert.Single(await RunsAsync(schedule));
        Assert.Equal((ScheduleRunState.Submitted, 1, 1), (run.State, run.Lines, run.Refused));
        Assert.StartsWith("row 2: the template in batch.body.prompt", run.Error, StringComparison.Ordinal);
        Assert.Equal(["row-1 海"], await LinesAsync(Assert.Single(await BatchesAsync())));
    }

    [Fact]
    public async Task RunDueAsync_GivesEveryJobTheSchedulesWebhook_UnlessItNamesItsOwn()
    {
        await CreateAsync("""{"cron": "0 9 * * *", "webhook_url": "https://example.org/all", "job": {"prompt": "x"} }""");
        await CreateAsync("""{"cron": "0 9 * * *", "webhook_url": "https://example.org/all", "job": {"prompt": "x", "webhook_url": "https://example.org/own"} }""");

        await RunAtAsync("2026-03-04T09:00:01Z");

        Assert.Equal(["https://example.org/all", "https://example.org/own"], (await JobsAsync()).Select(job => job.WebhookUrl).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("skip", 0, ScheduleRunState.Skipped)]
    [InlineData("catch_up_once", 1, ScheduleRunState.Submitted)]
    public async Task RunDueAsync_AfterTwoDaysOfAbsence_FollowsTheMisfirePolicy(string policy, int jobs, ScheduleRunState state)
    {
        var schedule = await CreateAsync($$"""{"cron": "0 9 * * *", "misfire": "{{policy}}", "job": {"prompt": "x"} }""");

        await RunAtAsync("2026-03-06T20:00:00Z");
        await RunAtAsync("2026-03-06T20:00:10Z");

        Assert.Equal(jobs, (await JobsAsync()).Count);
        var run = Assert.Single(await RunsAsync(schedule));
        Assert.Equal((state, At("2026-03-06T09:00:00Z"), 2), (run.State, run.ScheduledFor, run.Missed));
        Assert.Equal(At("2026-03-07T09:00:00Z"), (await FindAsync(schedule)).NextRunAt);
    }

    [Fact]
    public async Task RunDueAsync_RowsOfABlob_MakeAJobEachAndSayWhichWereRefused()
    {
        await UploadAsync("inputs", "topics.csv", "\uFEFFtopic,tokens\n\"清晨，菜市场\",10\nbad,-1\n\"say \"\"hi\"\"\",12\n");
        var schedule = await CreateAsync("""{"cron": "*/10 * * * *", "rows_blob": "inputs/topics.csv", "job": {"prompt": "{{ row_number }}: {{ row.topic }}", "metadata": {"topic": "{{ row.topic }}"}}}""");
        await UploadAsync("inputs", "topics.csv", "topic,tokens\n\"清晨，菜市场\",10\n,1\n\"say \"\"hi\"\"\",12\n");

        await RunAtAsync("2026-03-04T05:10:01Z");

        var prompts = new List<string>();
        foreach (var job in await JobsAsync())
        {
            prompts.Add(await PromptAsync(job));
        }

        Assert.Equal(["1: 清晨，菜市场", "2: ", "3: say \"hi\""], prompts.Order(StringComparer.Ordinal));
        Assert.Equal(3, Assert.Single(await RunsAsync(schedule)).Jobs);
    }

    [Fact]
    public async Task RunDueAsync_RowsThatAreNoCsv_FailTheRunAndKeepTheSchedule()
    {
        var schedule = await CreateAsync("""{"cron": "*/10 * * * *", "rows_blob": "inputs/later.csv", "job": {"prompt": "{{ row.topic }}"}}""");
        await UploadAsync("inputs", "later.csv", "topic,tone\nonly one\n");

        await RunAtAsync("2026-03-04T05:10:01Z");

        var run = Assert.Single(await RunsAsync(schedule));
        Assert.Equal(ScheduleRunState.Failed, run.State);
        Assert.Contains("has 1 fields but 2", run.Error, StringComparison.Ordinal);
        Assert.Equal(At("2026-03-04T05:20:00Z"), (await FindAsync(schedule)).NextRunAt);
    }

    [Fact]
    public async Task RunNowAsync_SameKeyTwice_IsOneRunBesideTheSchedulesTimes()
    {
        var schedule = await CreateAsync("""{"cron": "0 9 * * *", "job": {"prompt": "x"}}""");

        var first = await _control.RunNowAsync(schedule.Id, "now", Owner, Cancellation);
        var second = await _control.RunNowAsync(schedule.Id, "now", Owner, Cancellation);

        Assert.Equal(first.FirstJobId, second.FirstJobId);
        Assert.Single(await JobsAsync());
        Assert.Equal(schedule.NextRunAt, (await FindAsync(schedule)).NextRunAt);
    }

    [Fact]
    public async Task UpdateAsync_PausedAndResumed_RunsNoTickInBetween()
    {
        var schedule = await CreateAsync("""{"cron": "*/10 * * * *", "job": {"prompt": "x"}}""");
        await UpdateAsync(schedule, """{"paused": true}""");
        await RunAtAsync("2026-03-04T05:30:01Z");
        Assert.Empty(ScheduleView.Of(await FindAsync(schedule)).NextRuns);

        await UpdateAsync(schedule, """{"paused": false, "cron": "0 * * * *"}""");
        await RunAtAsync("2026-03-04T05:40:01Z");

        Assert.Empty(await JobsAsync());
        Assert.Equal(At("2026-03-04T06:00:00Z"), (await FindAsync(schedule)).NextRunAt);
    }

    [Fact]
    public async Task GetAsync_AnotherTenantsSchedule_IsNotFound()
    {
        var schedule = await CreateAsync("""{"cron": "0 9 * * *", "job": {"prompt": "x"}}""");

        var error = await Assert.ThrowsAsync<InvalidJobException>(() => _control.GetAsync(schedule.Id, Owner with { Tenant = "other" }, Cancellation));

        Assert.Equal(JobErrorCode.ScheduleNotFound, error.Code);
    }

    [Fact]
    public void NextAfter_SpringForward_SkipsNoDay()
    {
        // Berlin has no 02:30 on 2026-03-29; the tick comes when the clock has jumped to 03:00.
        using var json = JsonDocument.Parse("""{"cron": "30 2 * * *", "time_zone": "Europe/Berlin", "job": {"prompt": "x"}}""");
        var definition = ScheduleDefinition.Parse(json.RootElement);

        Assert.Equal(At("2026-03-29T01:00:00Z"), definition.NextAfter(At("2026-03-28T12:00:00Z")));
        Assert.Equal(At("2026-03-30T00:30:00Z"), definition.NextAfter(At("2026-03-29T02:00:00Z")));
    }

    [Theory]
    [InlineData("""{"job": {"prompt": "x"}}""", "cron is missing")]
    [InlineData("""{"cron": "0 25 * * *", "job": {"prompt": "x"}}""", "cron must be five fields")]
    [InlineData("""{"cron": "0 9 * * *", "time_zone": "Mars/Olympus", "job": {"prompt": "x"}}""", "time_zone must be an IANA name")]
    [InlineData("""{"cron": "0 9 * * *", "misfire": "later", "job": {"prompt": "x"}}""", "misfire must be skip or catch_up_once")]
    [InlineData("""{"cron": "0 9 * * *", "job": {"prompt": "{{ for i in 1..3 }"}}""", "the template in job.prompt cannot be rendered")]
    [InlineData("""{"cron": "0 9 * * *", "job": {"prompt": "{{ nobody }}"}}""", "nobody")]
    [InlineData("""{"cron": "0 9 * * *", "job": {"prompt": "{{ for i in 1..900; for j in 1..900; i; end; end }}"}}""", "limit")]
    [InlineData("""{"cron": "0 9 * * *", "job": {"prompt": "x", "temperature": 9}}""", "temperature must be from 0 to 2")]
    [InlineData("""{"cron": "0 9 * * *", "job": {"prompt": "x", "id": "mine"}}""", "job.id must be left out")]
    [InlineData("""{"cron": "0 9 * * *", "rows_blob": "secrets/a.csv", "job": {"prompt": "x"}}""", "must lie in one of the containers")]
    [InlineData("""{"cron": "0 9 * * *"}""", "needs one of job and batch, saw neither")]
    [InlineData("""{"cron": "0 9 * * *", "batch": {"endpoint": "/v1/completions", "completion_window": "24h"}}""", "batch must have body, an object, and no input")]
    [InlineData("""{"cron": "0 9 * * *", "batch": {"endpoint": "/v1/answers", "completion_window": "24h", "body": {"prompt": "x"}}}""", "endpoint must be /v1/completions")]
    [InlineData("""{"cron": "0 9 * * *", "batch": {"endpoint": "/v1/completions", "completion_window": "24h", "body": {"prompt": "x", "temperature": 9}}}""", "temperature must be from 0 to 2")]
    [InlineData("""{"cron": "0 9 * * *", "often": true, "job": {"prompt": "x"}}""", "unknown field \"often\"")]
    public async Task CreateAsync_WrongDefinition_IsRefusedWithWhatToChange(string body, string said)
    {
        var error = await Assert.ThrowsAsync<InvalidJobException>(() => CreateAsync(body));

        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    private (ScheduleRunner Runner, ScheduleControl Control) Replica()
    {
        var rows = new RowsReader(_batch.Clients, Options.Create(new JobsOptions()));
        var (jobs, files) = (Options.Create(new JobsOptions()), new FileStore(_batch.Clients, _batch.Time));
        var addresses = new BatchAddresses(_batch.Clients, jobs, Options.Create(new BatchOptions()), Options.Create(new WebhookOptions { Secret = TestBatch.Secret }));
        var batches = new BatchIntake(new BatchStore(_batch.Clients), new BatchQueues(_batch.Clients), files, addresses, new AuditLog(_batch.Clients, Options.Create(new AuditOptions()), _batch.Time), _batch.Time);
        var runner = new ScheduleRunner(
            new ScheduleStore(_batch.Clients), rows, _batch.Intake, new ScheduledBatch(batches, files, rows, _batch.Time), _batch.Time, NullLogger<ScheduleRunner>.Instance);
        var inputs = new InputReader(_batch.Store, _batch.Engines, Options.Create(new JobsOptions()));
        return (runner, new ScheduleControl(new ScheduleStore(_batch.Clients), rows, inputs, runner, _batch.Time));
    }

    private Task<Schedule> CreateAsync(string body) => _control.CreateAsync(Encoding.UTF8.GetBytes(body), null, Owner, Cancellation);

    private Task<Schedule> UpdateAsync(Schedule schedule, string body) => _control.UpdateAsync(schedule.Id, Encoding.UTF8.GetBytes(body), Owner, Cancellation);

    private async Task<Schedule> FindAsync(Schedule schedule) => (await _store.FindAsync(_tenant, schedule.Id, Cancellation))!;

    private Task<IReadOnlyList<ScheduleRun>> RunsAsync(Schedule schedule) => _store.RunsAsync(schedule.Id, 100, Cancellation);

    private async Task<List<Job>> JobsAsync() => await _batch.Store.ListAsync(_tenant, null, Cancellation).ToListAsync(Cancellation);

    private async Task<List<BatchRow>> BatchesAsync() => await new BatchStore(_batch.Clients).ListAsync(_tenant, null, Cancellation).ToListAsync(Cancellation);

    // Custom id and prompt of each line of its input.
    private async Task<List<string>> LinesAsync(BatchRow batch)
    {
        var files = new FileStore(_batch.Clients, _batch.Time);
        using var reader = new StreamReader(await files.OpenAsync((await files.FindAsync(_tenant, batch.InputFileId!, Cancellation))!, Cancellation));
        var lines = (await reader.ReadToEndAsync(Cancellation)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line));
        return [.. lines.Select(line => $"{line.GetProperty("custom_id").GetString()} {line.GetProperty("body").GetProperty("prompt").GetString()}")];
    }

    private async Task<string> PromptAsync(Job job) => (await _batch.Store.ReadRequestAsync(job, Cancellation)).Prompt!;

    private Task RunAtAsync(string time)
    {
        _batch.Time.SetUtcNow(At(time));
        return _runner.RunDueAsync(Cancellation);
    }

    private async Task UploadAsync(string container, string name, string content) =>
        await _batch.Clients.Blobs.GetBlobContainerClient(container).GetBlobClient(name).UploadAsync(BinaryData.FromString(content), overwrite: true, Cancellation);

    private static DateTimeOffset At(string time) => DateTimeOffset.Parse(time, System.Globalization.CultureInfo.InvariantCulture);
}
