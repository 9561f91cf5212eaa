using System.CommandLine;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Jobs;
using Batch.LocalHost.Emulator;
using Batch.LocalHost.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Batch.Benchmarks.Service;

/// <summary>Batches through the whole path, from upload to webhook-less end, on Azurite, with a model that answers at once.</summary>
internal static class ServiceCommand
{
    public static Command Create()
    {
        var lines = new Option<int[]>("--lines") { Description = "Lines of each batch, one batch after the other", DefaultValueFactory = _ => [100, 1000, 10_000], AllowMultipleArgumentsPerToken = true };
        var command = new Command("service", "Measure batches with an instant model: lines per second, storage requests per line, memory") { lines };
        command.SetAction(async (given, cancellationToken) =>
        {
            await using var azurite = await Azurite.StartAsync(dataFolder: null, cancellationToken);
            using var host = Functions.Program.BuildHost(
                [
                    $"--AzureWebJobsStorage={azurite.ConnectionString}", "--Engine:ModelPath=/models/instant", "--Access:Required=false",
                    "--AzureFunctionsJobHost:extensions:queues:batchSize=16", "--AzureFunctionsJobHost:extensions:queues:newBatchThreshold=16",
                    "--AzureFunctionsJobHost:extensions:queues:maxPollingInterval=00:00:02", "--Logging:LogLevel:Default=Warning", "--LocalHost:DrainSeconds=0",
                ],
                services => services.AddSingleton<EngineLoader>((_, _) => new InstantEngine()));
            await host.StartAsync(cancellationToken);
            using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.GetHttpAddress() };
            using var requests = new StorageRequests();
            await MeasureAsync(http, requests, 1, print: false, cancellationToken);
            Console.Out.WriteLine("lines    seconds  lines/s  storage requests/line  peak memory, MB");
            foreach (var count in given.GetValue(lines)!)
            {
                await MeasureAsync(http, requests, count, print: true, cancellationToken);
            }

            await host.StopAsync(CancellationToken.None);
        });
        return command;
    }

    private static async Task MeasureAsync(HttpClient http, StorageRequests requests, int count, bool print, CancellationToken cancellationToken)
    {
        var file = await UploadAsync(http, count, cancellationToken);
        var (before, clock) = (requests.Count, Stopwatch.StartNew());
        using var created = await http.PostAsJsonAsync("v1/batches", new { input_file_id = file, endpoint = "/v1/completions", completion_window = "24h" }, cancellationToken);
        var id = (await created.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("id").GetString();
        JsonElement batch;
        do
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken);
            batch = await http.GetFromJsonAsync<JsonElement>($"v1/batches/{id}", cancellationToken);
        }
        while (batch.GetProperty("status").GetString() is "validating" or "in_progress" or "finalizing");

        var seconds = clock.Elapsed.TotalSeconds;
        var completed = batch.GetProperty("request_counts").GetProperty("completed").GetInt32();
        if (completed != count)
        {
            throw new InvalidOperationException($"{completed} of {count} lines completed: {batch}");
        }

        if (print)
        {
            using var process = Process.GetCurrentProcess();
            Console.Out.WriteLine($"{count,-8} {seconds,7:F1}  {count / seconds,7:F0}  {(requests.Count - before) / (double)count,21:F2}  {process.PeakWorkingSet64 / 1e6,15:F0}");
        }
    }

    private static async Task<string> UploadAsync(HttpClient http, int count, CancellationToken cancellationToken)
    {
        var lines = new StringBuilder();
        for (var i = 0; i < count; i++)
        {
            lines.Append("{\"custom_id\":\"line-").Append(i).Append("\",\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"Draft number ").Append(i)
                .Append(" about the morning market\",\"max_tokens\":64}}\n");
        }

        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new ByteArrayContent(Encoding.UTF8.GetBytes(lines.ToString())), "file", "input.jsonl" } };
        using var response = await http.PostAsync(new Uri("v1/files", UriKind.Relative), form, cancellationToken);
        return (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("id").GetString()!;
    }
}
