using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Azure.Storage.Queues;
using Batch.Inference.Engine;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests;
using Batch.LocalHost.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Batch.Functions.Tests;

/// <summary>The whole application as Program.cs builds it, on the local host, and an HTTP client to it.</summary>
internal sealed class RunningHost : IAsyncDisposable
{
    private readonly IHost _host;

    private RunningHost(IHost host)
    {
        _host = host;
        Http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.GetHttpAddress() };
    }

    public HttpClient Http { get; }

    public IServiceProvider Services => _host.Services;

    public StorageClients Storage => _host.Services.GetRequiredService<StorageClients>();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>
    /// Starts with a scripted engine, or what else <paramref name="load"/> gives, and waits for it unless told otherwise.
    /// </summary>
    public static Task<RunningHost> StartAsync(
        StorageEmulator storage, Func<EngineOptions, LlmEngine>? load, bool waitUntilReady = true, bool clearQueues = true, params string[] settings) =>
        StartAsync(storage.ConnectionString, load, _ => { }, waitUntilReady, clearQueues, settings);

    /// <summary>As the other, with more services.</summary>
    public static async Task<RunningHost> StartAsync(
        string storage, Func<EngineOptions, LlmEngine>? load, Action<IServiceCollection> configure, bool waitUntilReady = true, bool clearQueues = true, params string[] settings)
    {
        string[] args =
        [
            $"--AzureWebJobsStorage={storage}", "--Engine:ModelPath=/models/scripted", "--AzureFunctionsJobHost:extensions:queues:visibilityTimeout=00:00:00",
            "--AzureFunctionsJobHost:extensions:queues:maxPollingInterval=00:00:00.1", "--LocalHost:DrainSeconds=0",
            "--Logging:LogLevel:Default=None", "--Limits:RequestsPerMinute=10000000", .. settings,
        ];
        var host = Program.BuildHost(
            args,
            services =>
            {
                _ = load is null ? services : services.AddSingleton<EngineLoader>((options, _) => load(options));
                configure(services);
            });
        if (clearQueues)
        {
            await ClearAsync(host.Services.GetRequiredService<StorageClients>());
        }

        await host.StartAsync(Cancellation);
        var running = new RunningHost(host);
        running.Http.DefaultRequestHeaders.Authorization = new("Bearer", await running.NewKeyAsync(Caller.DefaultTenant, ApiScopes.Admin));
        if (waitUntilReady)
        {
            await host.Services.GetRequiredService<EngineHost>().GetAsync(Cancellation);
        }

        return running;
    }

    public async Task<string> NewKeyAsync(string tenant, ApiScopes scopes, DateTimeOffset? expiresAt = null)
    {
        var keys = _host.Services.GetRequiredService<ApiKeyStore>();
        return (await keys.CreateAsync(tenant, scopes, "test", expiresAt, Cancellation)).Secret;
    }

    public async Task<HttpResponseMessage> SubmitAsync(string json, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/jobs")
        {
            Content = new StringContent(
            json, Encoding.UTF8, "application/json")
        };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return await Http.SendAsync(request, Cancellation);
    }

    public async Task<string> SubmitForIdAsync(string json)
    {
        using var response = await SubmitAsync(json);
        return (
            await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("id").GetString()!;
    }

    public Task<JsonElement> GetAsync(string path) => Http.GetFromJsonAsync<JsonElement>(path, Cancellation);

    /// <summary>The job once it is finished.</summary>
    public async Task<JsonElement> FinishedAsync(string id)
    {
        while (true)
        {
            var job = await GetAsync($"v1/jobs/{id}");
            if (job.TryGetProperty("finished_at", out _))
            {
                return job;
            }
        }
    }

    public QueueClient Queue(string name) => Storage.Queues.GetQueueClient(name);

    /// <summary>As on SIGTERM.</summary>
    public Task StopAsync() => _host.StopAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _host.StopAsync(CancellationToken.None);
        await ((IAsyncDisposable)_host).DisposeAsync();
    }

    // What an earlier test left waiting would run in this one.
    private static async Task ClearAsync(StorageClients storage)
    {
        await foreach (var queue in storage.Queues.GetQueuesAsync(cancellationToken: Cancellation))
        {
            await storage.Queues.GetQueueClient(queue.Name).ClearMessagesAsync(Cancellation);
        }

        // A dispatcher that was stopped in its turn holds it until its message, now gone, comes again, or for two minutes.
        await storage.Tables.GetTableClient(BatchStore.BatchesTable).DeleteEntityAsync("the dispatcher", "turn", cancellationToken: Cancellation);
    }
}
