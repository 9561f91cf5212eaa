using System.Net.Http.Json;
using System.Text.Json;
using Batch.Benchmarks.Chaos;
using Batch.Jobs;
using Batch.Jobs.Tests;
using Batch.LocalHost.Emulator;
using Batch.LocalHost.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Batch.Functions.Tests.Faults;

/// <summary>The storage goes away and comes back while the host runs.</summary>
public sealed class OutageTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Jobs_EndOnce_WhenTheStorageWasAwayInTheMiddle()
    {
        var folder = Directory.CreateTempSubdirectory("batch-outage-");
        var storage = await Azurite.StartAsync(folder.FullName, Cancellation);
        await using var proxy = new StorageProxy(storage.ConnectionString);
        var engine = new ScriptedEngine { HoldsAfterFirstPiece = true };
        using var host = Program.BuildHost(
            [
                $"--AzureWebJobsStorage={proxy.ConnectionString}", "--Engine:ModelPath=/models/scripted", "--Access:Required=false", "--LocalHost:QueueLock=00:00:02", "--Jobs:LeaseSeconds=3", "--LocalHost:DrainSeconds=0", "--Logging:LogLevel:Default=None",
                "--AzureFunctionsJobHost:extensions:queues:visibilityTimeout=00:00:00", "--AzureFunctionsJobHost:extensions:queues:maxPollingInterval=00:00:00.2",
            ],
            services => services.AddSingleton<EngineLoader>((_, _) => engine));
        try
        {
            await host.StartAsync(Cancellation);
            using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.GetHttpAddress() };
            for (var i = 0; i < 4; i++)
            {
                using var submitted = await http.PostAsJsonAsync("v1/jobs", new { id = $"outage-{i}", prompt = "Once", seed = i }, Cancellation);
                submitted.EnsureSuccessStatusCode();
            }

            await engine.Held;
            proxy.Forward(null);
            await storage.DisposeAsync();
            (engine.HoldsAfterFirstPiece, storage) = (false, await Azurite.StartAsync(folder.FullName, Cancellation));
            engine.LetGo();
            proxy.Forward(storage.ConnectionString);

            for (var i = 0; i < 4; i++)
            {
                var job = await EndedAsync(http, $"outage-{i}");
                Assert.Equal(("succeeded", ScriptedEngine.TextOf((ulong)i)), (job.GetProperty("status").GetString(), job.GetProperty("text").GetString()));
            }
        }
        finally
        {
            await host.StopAsync(CancellationToken.None);
            await storage.DisposeAsync();
            folder.Delete(recursive: true);
        }
    }

    private static async Task<JsonElement> EndedAsync(HttpClient http, string id)
    {
        while (true)
        {
            using var answer = await http.GetAsync(new Uri($"v1/jobs/{id}", UriKind.Relative), Cancellation);
            if (answer.IsSuccessStatusCode && await answer.Content.ReadFromJsonAsync<JsonElement>(Cancellation) is var job && job.TryGetProperty("finished_at", out var finished) && finished.ValueKind == JsonValueKind.Number)
            {
                return job;
            }
        }
    }
}
