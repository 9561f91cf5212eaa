using System.Net.Http.Json;
using System.Text.Json;
using Batch.Benchmarks.Engine;
using Batch.Inference.Engine;
using Batch.Inference.Models;
using Batch.Jobs;
using Batch.LocalHost.Emulator;
using Batch.LocalHost.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Batch.Benchmarks.Service;

/// <summary>The whole application on the local host over an Azurite in memory, with an engine of the benchmark's, and an HTTP client to it.</summary>
internal sealed class BenchmarkHost : IAsyncDisposable
{
    private readonly Azurite _azurite;
    private readonly IHost _host;

    private BenchmarkHost(Azurite azurite, IHost host) =>
        (_azurite, _host, Http) = (azurite, host, new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.GetHttpAddress(), Timeout = TimeSpan.FromMinutes(10) });

    public HttpClient Http { get; }

    public IServiceProvider Services => _host.Services;

    public static async Task<BenchmarkHost> StartAsync(Func<LlmEngine> load, string[] settings, CancellationToken cancellationToken)
    {
        var azurite = await Azurite.StartAsync(dataFolder: null, cancellationToken);
        var host = Functions.Program.BuildHost(
            [
                $"--AzureWebJobsStorage={azurite.ConnectionString}", "--Engine:ModelPath=/models/benchmark", "--Access:Required=false",
                "--AzureFunctionsJobHost:extensions:queues:batchSize=4", "--AzureFunctionsJobHost:extensions:queues:newBatchThreshold=28",
                "--AzureFunctionsJobHost:extensions:queues:maxPollingInterval=00:00:02", "--Logging:LogLevel:Default=Warning", "--LocalHost:DrainSeconds=0", .. settings,
            ],
            services => services.AddSingleton<EngineLoader>((_, _) => load()));
        await host.StartAsync(cancellationToken);
        await host.Services.GetRequiredService<EngineHost>().GetAsync(cancellationToken);
        return new BenchmarkHost(azurite, host);
    }

    /// <summary>An engine whose texts are their tokens' ids, so that any prompt of ids will do.</summary>
    public static LlmEngine Load(string folder, string dtype)
    {
        var options = new EngineOptions { ModelPath = folder, Device = "cpu", DType = dtype };
        return new LlmEngine(ModelLoader.Load(options, new IdTokenizer(ModelConfig.Load(folder).Int("vocab_size"))), options, null);
    }

    /// <summary>Uploads the lines as they are written; gives the file's id.</summary>
    public async Task<string> UploadAsync(Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new WrittenContent(write), "file", "input.jsonl" } };
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/files") { Content = form };
        request.Headers.TransferEncodingChunked = true;
        using var response = await Http.SendAsync(request, cancellationToken);
        return (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("id").GetString()!;
    }

    public async Task<string> CreateAsync(string file, int priority, CancellationToken cancellationToken)
    {
        using var created = await Http.PostAsJsonAsync("v1/batches", new { input_file_id = file, endpoint = "/v1/completions", completion_window = "24h", priority }, cancellationToken);
        return (await created.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("id").GetString()!;
    }

    public Task<JsonElement> FindAsync(string id, CancellationToken cancellationToken) => Http.GetFromJsonAsync<JsonElement>($"v1/batches/{id}", cancellationToken);

    /// <summary>The batch once it has ended, looked at now and then; throws unless all its lines succeeded.</summary>
    public async Task<JsonElement> CompletedAsync(string id, TimeSpan every, CancellationToken cancellationToken)
    {
        JsonElement batch;
        do
        {
            await Task.Delay(every, cancellationToken);
            batch = await FindAsync(id, cancellationToken);
        }
        while (batch.GetProperty("status").GetString() is "validating" or "in_progress" or "finalizing");

        return Completed(batch) == batch.GetProperty("request_counts").GetProperty("total").GetInt32() ? batch : throw new InvalidOperationException($"not all lines completed: {batch}");
    }

    public static int Completed(JsonElement batch) => batch.GetProperty("request_counts").GetProperty("completed").GetInt32();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _host.StopAsync(CancellationToken.None);
        _host.Dispose();
        await _azurite.DisposeAsync();
    }

    // Sent as it is written, so that the client holds none of it.
    private sealed class WrittenContent(Func<Stream, Task> write) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context) => write(stream);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
