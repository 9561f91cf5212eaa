using System.Text.Json;
using System.Text.RegularExpressions;
using Batch.Functions.Tests;
using Batch.LocalHost.Emulator;

namespace Batch.Cli.Tests;

/// <summary>The verbs that talk to a server, each as a person types it and with --json, as a program does.</summary>
public sealed partial class VerbTests : IDisposable
{
    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("batch-verbs-");
    private string _url = "";
    private string _key = "";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _data.Delete(recursive: true);

    [Fact]
    public async Task KeysCreate_InAStorageThatNobodyHasSetUp_SaysWhoDoes()
    {
        await using var azurite = await Azurite.StartAsync(dataFolder: null, Token);

        var (code, _, errors) = await BatchCommand.RunAsync("", "keys", "create", "--storage", azurite.ConnectionString);

        Assert.Equal(ExitCode.Failure, code);
        Assert.Equal("error: this storage has no table 'apikeys' yet: the worker makes it at its first start, the template before", errors.Trim());
    }

    [Fact]
    public async Task Endpoints_AreMadeTriedReplayedChangedAndDeleted()
    {
        await using var receiver = Receiver.Start();
        await using var server = await ServeAsync();

        var secret = await SaysAsync("endpoints", "create", receiver.Address.AbsoluteUri, "--events", "batch.job.*", "--description", "news");
        var id = (await JsonAsync("endpoints", "list")).GetProperty("id").GetString()!;
        var tested = await JsonAsync("endpoints", "test", id, "--type", "batch.job.failed");
        var delivery = tested.GetProperty("id").GetString()!;

        Assert.StartsWith("whsec_", secret, StringComparison.Ordinal);
        Assert.Equal(("delivered", id), (tested.GetProperty("status").GetString(), tested.GetProperty("endpoint_id").GetString()));
        Assert.Equal($"{id}  {receiver.Address}  batch.job.*  openai  enabled\n", await SaysAsync("endpoints", "show", id));
        Assert.Matches($"^{delivery}  batch.job.failed  delivered  attempt 2: 200\n$", await SaysAsync("endpoints", "replay", id, delivery));
        Assert.Equal(3, (await JsonAsync("endpoints", "replay", id, delivery)).GetProperty("attempts").GetArrayLength());
        Assert.Equal("0 deliveries are sent again\n", await SaysAsync("endpoints", "replay", id, "--failed", "--since", "2026-01-31T00:00Z"));
        Assert.Equal(0, (await JsonAsync("endpoints", "replay", id, "--failed")).GetProperty("replayed").GetInt32());
        Assert.Equal(delivery, (await JsonAsync("endpoints", "deliveries", id, "--status", "delivered")).GetProperty("id").GetString());
        Assert.Contains("\"payload\":", await SaysAsync("endpoints", "deliveries", id, delivery), StringComparison.Ordinal);
        Assert.Contains(delivery, await SaysAsync("endpoints", "deliveries", id), StringComparison.Ordinal);
        Assert.NotEqual(secret, await SaysAsync("endpoints", "rotate", id, "--overlap", "60"));
        Assert.StartsWith("whsec_", (await JsonAsync("endpoints", "rotate", id)).GetProperty("secret").GetString(), StringComparison.Ordinal);
        Assert.EndsWith("disabled: its owner disabled it\n", await SaysAsync("endpoints", "update", id, "--disable", "--format", "cloudevents"), StringComparison.Ordinal);
        Assert.Equal("cloudevents", (await JsonAsync("endpoints", "update", id, "--enable")).GetProperty("format").GetString());
        Assert.Equal("news", (await JsonAsync("endpoints", "show", id)).GetProperty("description").GetString());
        Assert.Equal($"{id} is deleted\n", await SaysAsync("endpoints", "delete", id));
        await FailsAsync(2, "give the id of a delivery, or --failed", "endpoints", "replay", id);
        await FailsAsync(2, "give the id of a delivery, or --failed", "endpoints", "replay", id, delivery, "--failed");
        await FailsAsync(2, "no webhook endpoint", "endpoints", "show", id);
        await FailsAsync(2, "no webhook endpoint", "endpoints", "replay", id, delivery);
        await FailsAsync(2, "url must be", "endpoints", "create", "ftp://example.org");
        Assert.Equal(0, await server.StopAsync());
    }

    [Fact]
    public async Task Jobs_AreReplayed_OneOrThoseThatTheOptionsMean()
    {
        await using var server = await ServeAsync();
        var id = await FailedAsync();

        Assert.Equal($"{id} queued\n", await SaysAsync("replay", id));
        await SaysAsync(code: 1, "watch", id);
        Assert.Equal("queued", (await JsonAsync("replay", id)).GetProperty("status").GetString());
        await SaysAsync(code: 1, "watch", id);
        Assert.Equal("1 jobs run again\n", await SaysAsync("replay", "--code", "prompt_too_long"));
        await SaysAsync(code: 1, "watch", id);
        Assert.Equal(1, (await JsonAsync("replay", "--all", "--since", "2026-01-31T00:00:00Z")).GetProperty("replayed").GetInt32());
        await SaysAsync(code: 1, "watch", id);
        Assert.Equal(0, (await JsonAsync("replay", "--code", "retries_exhausted")).GetProperty("replayed").GetInt32());
        await FailsAsync(2, "give the id of a job, or one of --all", "replay");
        await FailsAsync(2, "not both", "replay", id, "--all");
        await FailsAsync(2, "no job nobody", "replay", "nobody");
        Assert.Equal(0, await server.StopAsync());
    }

    [Fact]
    public async Task EveryOtherVerb_DoesWhatItSays_InWordsAndAsJson()
    {
        await using var server = await ServeAsync();
        var input = Path.Combine(_data.FullName, "input.jsonl");
        await File.WriteAllTextAsync(input, """{"custom_id":"1","method":"POST","url":"/v1/completions","body":{"prompt":"Once","max_tokens":4}}""", Token);
        var schedule = Path.Combine(_data.FullName, "schedule.json");
        await File.WriteAllTextAsync(schedule, """{"cron":"0 6 1 1 *","job":{"prompt":"Once","max_tokens":4}}""", Token);

        // Files
        var file = (await SaysAsync("files", "upload", input)).Trim();
        Assert.StartsWith("file-", (await JsonAsync("files", "upload", input)).GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal(2, (await SaysAsync("files", "list")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.StartsWith($"{file}  batch  ", await SaysAsync("files", "show", file), StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllTextAsync(input, Token), await SaysAsync("files", "content", file));
        Assert.True((await JsonAsync("files", "delete", file)).GetProperty("deleted").GetBoolean());
        await FailsAsync(2, "no file", "files", "show", file);

        // Batches
        var batch = (await JsonAsync("batches", "create", input, "--wait")).GetProperty("id").GetString()!;
        Assert.Equal($"{batch}  completed  1 completed, 0 failed of 1\n", await SaysAsync("batches", "show", batch));
        Assert.Equal(batch, (await JsonAsync("batches", "list")).GetProperty("id").GetString());
        Assert.Equal("1", JsonElement.Parse(await SaysAsync("batches", "results", batch)).GetProperty("custom_id").GetString());
        await FailsAsync(2, "only one that goes on can be cancelled", "batches", "cancel", batch);
        await FailsAsync(2, "can be resubmitted", "batches", "resubmit", batch);
        var second = (await SaysAsync("batches", "create", input, "--window", "7d")).Trim();
        await FailsAsync(2, "completion_window must be", "batches", "create", input, "--window", "soon");
        await FailsAsync(1, "nowhere.jsonl", "batches", "create", "/nowhere.jsonl");
        Assert.StartsWith(second, await SaysAsync("batches", "show", second), StringComparison.Ordinal);

        // Schedules
        var id = (await JsonAsync("schedules", "create", schedule)).GetProperty("id").GetString()!;
        Assert.Contains(id, await SaysAsync("schedules", "list"), StringComparison.Ordinal);
        Assert.StartsWith($"{id}  0 6 1 1 *  0 runs", await SaysAsync("schedules", "show", id), StringComparison.Ordinal);
        Assert.Equal(1, (await JsonAsync("schedules", "run", id)).GetProperty("jobs").GetInt32());
        Assert.Equal("submitted", (await JsonAsync("schedules", "history", id)).GetProperty("status").GetString());
        Assert.EndsWith("paused\n", await SaysAsync("schedules", "pause", id), StringComparison.Ordinal);
        Assert.False((await JsonAsync("schedules", "resume", id)).GetProperty("paused").GetBoolean());
        Assert.Equal($"{id} is deleted\n", await SaysAsync("schedules", "delete", id));
        await FailsAsync(2, "no schedule", "schedules", "history", id);

        // Keys
        var key = await JsonAsync("keys", "create", "--name", "ci", "--scopes", "read");
        Assert.StartsWith("sk-", await SaysAsync("keys", "rotate", key.GetProperty("id").GetString()!), StringComparison.Ordinal);
        Assert.Contains("  read  ", await SaysAsync("keys", "list"), StringComparison.Ordinal);
        Assert.Equal($"{key.GetProperty("id").GetString()} is revoked\n", await SaysAsync("keys", "revoke", key.GetProperty("id").GetString()!));
        await FailsAsync(2, "scope", "keys", "create", "--scopes", "all");

        // Jobs
        var job = (await JsonAsync("submit", "--prompt", "Once", "--max-tokens", "4")).GetProperty("id").GetString()!;
        Assert.Equal("succeeded", (await JsonAsync("watch", job)).GetProperty("status").GetString());
        Assert.Equal(job, (await JsonAsync("result", job)).GetProperty("id").GetString());
        await FailsAsync(2, "only a queued or running job can be cancelled", "cancel", job);
        await FailsAsync(2, "no job nobody", "result", "nobody");
        Assert.Equal(0, await server.StopAsync());
    }

    [Fact]
    public async Task EveryVerb_HasHelp_AndThoseThatAskAServerAlsoJson()
    {
        var bare = new List<string>();
        await LookAsync([]);

        // These give a file's own bytes.
        Assert.Equal(["batches results", "files content"], bare.Order());

        async Task LookAsync(string[] verb)
        {
            var (code, help, _) = await BatchCommand.RunAsync("", [.. verb, "--help"]);
            Assert.True(code == 0 && help.Contains("Usage:", StringComparison.Ordinal), string.Join(' ', verb));
            if (help.Contains("--url", StringComparison.Ordinal) && !help.Contains("--json", StringComparison.Ordinal))
            {
                bare.Add(string.Join(' ', verb));
            }

            var at = help.IndexOf("Commands:", StringComparison.Ordinal);
            foreach (var sub in at < 0 ? [] : Verb().Matches(help[at..]).Select(match => match.Groups[1].Value))
            {
                await LookAsync([.. verb, sub]);
            }
        }
    }

    // A job that is refused when it runs: its prompt is longer than the model's context.
    private async Task<string> FailedAsync()
    {
        var jobs = Path.Combine(_data.FullName, "long.jsonl");
        await File.WriteAllTextAsync(jobs, JsonSerializer.Serialize(new { prompt = string.Concat(Enumerable.Repeat("The morning was quiet. ", 2000)) }), Token);
        return (await SaysAsync(code: 1, "submit", jobs, "--wait")).Split('\n')[0];
    }

    private async Task<BatchCommand> ServeAsync()
    {
        var server = BatchCommand.Start("serve", "--port", "0", "--data", _data.FullName);
        _url = Address().Match(await server.WaitForLineAsync("Batch is ready on")).Value;
        _key = Key().Match(await server.WaitForLineAsync("API key: ")).Value;
        return server;
    }

    private Task<string> SaysAsync(params string[] arguments) => SaysAsync(0, arguments);

    private async Task<string> SaysAsync(int code, params string[] arguments)
    {
        var result = await BatchCommand.RunAsync("", [.. arguments, "--url", _url, "--key", _key]);
        Assert.True(code == result.Code, $"{string.Join(' ', arguments)} ended with {result.Code}: {result.Errors}{result.Output}");
        return result.Output;
    }

    // The first line, as JSON.
    private async Task<JsonElement> JsonAsync(params string[] arguments) => JsonElement.Parse((await SaysAsync([.. arguments, "--json"])).Split('\n')[0]);

    private async Task FailsAsync(int code, string message, params string[] arguments)
    {
        var result = await BatchCommand.RunAsync("", [.. arguments, "--url", _url, "--key", _key]);
        Assert.Equal((code, ""), (result.Code, result.Output));
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\n  ([a-z]+) ")]
    private static partial Regex Verb();

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex Address();

    [GeneratedRegex("sk-[A-Za-z0-9_-]{43}")]
    private static partial Regex Key();
}
