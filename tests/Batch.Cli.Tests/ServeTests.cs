using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Azure.Data.Tables;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Queues;
using Batch.Jobs.Storage;
using Batch.LocalHost.Emulator;

namespace Batch.Cli.Tests;

public sealed partial class ServeTests : IDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("batch-serve-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _data.Delete(recursive: true);

    [Fact]
    public async Task Serve_KilledInTheMiddleOfTenJobs_EndsEachOnceAfterARestart()
    {
        var jobs = Path.Combine(_data.FullName, "ten.jsonl");
        await File.WriteAllLinesAsync(jobs, Enumerable.Range(0, 10).Select(i => JsonSerializer.Serialize(new { prompt = $"Chapter {i}. The road", max_tokens = 400, ignore_eos = true, seed = i })), Token);
        string[] ids;
        var (server, url, key, _) = await ServeAsync();
        await using (server)
        {
            var submitted = await BatchCommand.RunAsync("", "submit", jobs, "--url", url, "--key", key);
            ids = submitted.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal((0, 10), (submitted.Code, ids.Length));
            await WaitUntilRunningAsync(url, key, ids);
            await server.KillAsync();
        }

        var (restarted, again, sameKey, storage) = await ServeAsync();
        await using var _ = restarted;
        var watched = await BatchCommand.RunAsync("", ["watch", .. ids, "--json", "--url", again, "--key", key]);

        var ended = watched.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal((key, 0), (sameKey, watched.Code));
        Assert.Equal(ids.Order(), ended.Select(j => j.GetProperty("id").GetString()!).Order());
        Assert.All(ended, j => Assert.Equal(("succeeded", 400), (j.GetProperty("status").GetString(), j.GetProperty("usage").GetProperty("completion_tokens").GetInt32())));
        Assert.Equal(ids.Select(id => $"{id}:succeeded").Order(), (await EventIdsAsync(storage)).Order());
        Assert.Contains(ended, j => j.GetProperty("attempts").GetInt32() > 1); // the kill did hit running jobs
        Assert.Equal(0, await restarted.StopAsync());
    }

    [Fact]
    public async Task Serve_Terminated_HandsItsJobsOnAndTheirTextsAreTheSame()
    {
        const int Jobs = 12;
        string[] settings = ["--set", "LocalHost:DrainSeconds=0", "--set", "Engine:Threads=1"];
        var bodies = Enumerable.Range(0, Jobs).Select(i => JsonSerializer.Serialize(new { prompt = $"Chapter {i}. The road", max_tokens = 450, ignore_eos = true, seed = i })).ToArray();
        string[] undisturbed, handedOn;
        var (server, url, key, _) = await ServeAsync(settings);
        await using (server)
        {
            using var http = ClientOf(url, key);
            undisturbed = await TokensAsync(http, await SubmitAsync(http, bodies));
            handedOn = await SubmitAsync(http, bodies);
            await WaitUntilWritingAsync(http, handedOn[0]);
            Assert.Equal(0, await server.StopAsync().WaitAsync(Grace, Token)); // as long as a platform waits before it kills
        }

        int preempted;
        await using (var storage = await Azurite.StartAsync(Path.Combine(_data.FullName, "azurite"), Token))
        {
            var rows = await RowsAsync(storage.ConnectionString, handedOn);
            preempted = rows.Count(row => row.GetInt32("Preemptions") == 1);
            var ended = rows.Count(row => row.GetString("State") == "Succeeded");
            Assert.InRange(preempted, 1, Jobs);
            Assert.Equal(preempted, await new BlobContainerClient(storage.ConnectionString, "progress").GetBlobsAsync(new GetBlobsOptions { Traits = BlobTraits.Metadata }, Token).CountAsync(blob => blob.Metadata.ContainsKey("released"), Token));
            var queue = new QueueClient(storage.ConnectionString, JobQueues.Jobs, StorageClients.QueueOptions);
            var waiting = (await queue.PeekMessagesAsync(32, Token)).Value.Select(message => JsonDocument.Parse(message.Body).RootElement.GetProperty("jobId").GetString()).Distinct();
            Assert.Equal(Jobs - ended, waiting.Count()); // those that were not begun, too
        }

        var (restarted, again, _, connection) = await ServeAsync(settings);
        await using var _ = restarted;
        using var client = ClientOf(again, key);
        Assert.Equal(undisturbed, await TokensAsync(client, handedOn));
        var last = await RowsAsync(connection, handedOn);
        Assert.All(last, row => Assert.Equal(1, row.GetInt32("Attempts")));
        Assert.Equal(preempted, last.Sum(row => row.GetInt32("Preemptions")));
        Assert.Equal(0, await restarted.StopAsync());
    }

    private static HttpClient ClientOf(string url, string key) => new(new SocketsHttpHandler()) { BaseAddress = new Uri(url), DefaultRequestHeaders = { Authorization = new("Bearer", key) } };

    private static async Task<string[]> SubmitAsync(HttpClient http, string[] bodies) => await Task.WhenAll(bodies.Select(async body =>
    {
        using var answer = await http.PostAsync(new Uri("v1/jobs", UriKind.Relative), new StringContent(body, null, "application/json"), Token);
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Token)).GetProperty("id").GetString()!;
    }));

    // The ids of each job's tokens, once it has ended.
    private static async Task<string[]> TokensAsync(HttpClient http, string[] ids)
    {
        var tokens = new List<string>();
        foreach (var id in ids)
        {
            JsonElement job;
            do
            {
                job = await http.GetFromJsonAsync<JsonElement>($"v1/jobs/{id}", Token);
            }
            while (job.GetProperty("status").GetString() is "queued" or "running");
            tokens.Add(job.GetProperty("receipt").GetProperty("completions")[0].GetProperty("token_ids").GetRawText());
        }

        return [.. tokens];
    }

    private static async Task WaitUntilWritingAsync(HttpClient http, string id)
    {
        while ((await http.GetFromJsonAsync<JsonElement>($"v1/jobs/{id}", Token)).GetProperty("status").GetString() != "running")
        {
        }
    }

    private static async Task<TableEntity[]> RowsAsync(string storage, string[] ids)
    {
        var table = new TableClient(storage, "jobs");
        return await Task.WhenAll(ids.Select(async id => (await table.GetEntityAsync<TableEntity>(id, "job", cancellationToken: Token)).Value));
    }

    private async Task<(BatchCommand Server, string Url, string Key, string Storage)> ServeAsync(params string[] settings)
    {
        var server = BatchCommand.Start(["serve", "--port", "0", "--data", _data.FullName, "--set", "LocalHost:QueueLock=00:00:05", .. settings]);
        var url = Address().Match(await server.WaitForLineAsync("Batch is ready on")).Value;
        var key = Key().Match(await server.WaitForLineAsync("API key: ")).Value;
        return (server, url, key, (await server.WaitForLineAsync("Storage: "))["Storage: ".Length..]);
    }

    // The last event may follow its job's end by a moment.
    private static async Task<IEnumerable<string>> EventIdsAsync(string storage)
    {
        var queue = new QueueClient(storage, JobQueues.Events, StorageClients.QueueOptions);
        for (var attempt = 0; (await queue.PeekMessagesAsync(32, Token)).Value.Length < 10 && attempt < 500; attempt++)
        {
        }
        return (await queue.PeekMessagesAsync(32, Token)).Value.Select(m => JsonDocument.Parse(m.Body).RootElement.GetProperty("id").GetString()!);
    }

    private static async Task WaitUntilRunningAsync(string url, string key, string[] ids)
    {
        for (var attempt = 0; attempt < 600; attempt++)
        {
            var result = await BatchCommand.RunAsync("", "result", ids[0], "--json", "--url", url, "--key", key);
            if (JsonDocument.Parse(result.Output).RootElement.GetProperty("status").GetString() == "running")
            {
                return;
            }
        }
        Assert.Fail("no job came to run");
    }

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex Address();

    [GeneratedRegex("sk-[A-Za-z0-9_-]{43}")]
    private static partial Regex Key();
}
