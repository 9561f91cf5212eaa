using System.Text.Json;
using System.Text.RegularExpressions;
using Azure.Storage.Queues;
using Batch.Jobs.Storage;

namespace Batch.Cli.Tests;

public sealed partial class ServeTests : IDisposable
{
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

    private async Task<(BatchCommand Server, string Url, string Key, string Storage)> ServeAsync()
    {
        var server = BatchCommand.Start("serve", "--port", "0", "--data", _data.FullName, "--set", "LocalHost:QueueLock=00:00:05");
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
