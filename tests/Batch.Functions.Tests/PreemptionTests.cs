using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Inference.Tests;
using Batch.Jobs;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace Batch.Functions.Tests;

/// <summary>
/// The whole application is stopped in the middle of its work and started again, with the model that ships with Batch. It has a storage of its own: it counts
/// all that is drawn, and in a shared one the sweep brings it what other tests left behind.
/// </summary>
public sealed class PreemptionTests(StorageEmulator storage) : IClassFixture<StorageEmulator>
{
    private static readonly string[] Submissions =
    [
        """{"prompt":"The garden","max_tokens":300,"ignore_eos":true,"seed":1}""",
        """{"prompt":"Once upon a time","max_tokens":120,"ignore_eos":true,"seed":2,"n":3,"logprobs":2}""",
        """{"prompt":"She said","max_tokens":250,"ignore_eos":true,"seed":3,"interventions":[{"when":{"every":40},"then":{"rollback":{"tokens":9}},"limit":5},{"when":{"tokens":60},"then":{"inject":" And then"}}]}""",
        """{"prompt":"Spring","max_tokens":300,"ignore_eos":true,"seed":4,"frequency_penalty":0.5,"stop":["never written at all"]}""",
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("--LocalHost:DrainSeconds=0")] // the host cancels the invocations
    [InlineData("--LocalHost:DrainSeconds=600", "--FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING=true")] // it cancels none
    public async Task Stop_HandsEveryJobOn_ToTheSameTextsWithNothingDrawnTwice(params string[] settings)
    {
        string[] all = [.. settings, "--Engine:Device=cpu", $"--Engine:ModelPath={Repository.Path("models", "draft-5m")}"];
        var (expected, alone, handed, drawn) = (new List<JsonElement>(), 0L, new List<string>(), 0L);
        await using (var host = await RunningHost.StartAsync(storage, load: null, settings: all))
        {
            foreach (var submission in Submissions)
            {
                expected.Add(await host.FinishedAsync(await host.SubmitForIdAsync(submission)));
            }

            alone = await DrawnAsync(host);
        }

        await using (var host = await RunningHost.StartAsync(storage, load: null, settings: all))
        {
            foreach (var submission in Submissions)
            {
                handed.Add(await host.SubmitForIdAsync(submission));
            }

            while (await DrawnAsync(host) < 100)
            {
                await Task.Yield();
            }

            await host.StopAsync();
            drawn = await DrawnAsync(host);
        }

        await using var next = await RunningHost.StartAsync(storage, load: null, clearQueues: false, settings: all);
        var ended = new List<JsonElement>();
        foreach (var id in handed)
        {
            ended.Add(await next.FinishedAsync(id));
        }

        Assert.All(ended.Zip(expected), pair => Assert.Equal(Written(pair.Second), Written(pair.First)));
        Assert.Equal(alone, drawn + await DrawnAsync(next));
        var store = next.Services.GetRequiredService<JobStore>();
        var rows = await Task.WhenAll(handed.Select(id => store.FindAsync(id, "default", Cancellation)));
        Assert.All(rows, row => Assert.Equal((1, null), (row!.Attempts, row.LastError)));
        Assert.Contains(rows, row => row!.Preemptions == 1);
    }

    private static async Task<long> DrawnAsync(RunningHost host) => (await host.Services.GetRequiredService<EngineHost>().GetAsync(Cancellation)).DrawnTokens;

    // All that does not tell of the time.
    private static string Written(JsonElement job)
    {
        var written = JsonNode.Parse(job.GetRawText())!.AsObject();
        foreach (var name in new[] { "id", "created_at", "started_at", "finished_at", "result_url" })
        {
            written.Remove(name);
        }

        return written.ToJsonString();
    }
}
