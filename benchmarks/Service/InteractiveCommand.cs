using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using Batch.Benchmarks.Engine;
using Batch.Inference.Engine;

namespace Batch.Benchmarks.Service;

/// <summary>Time to the first token of a streamed completion over HTTP, on an idle server and beside a batch that keeps the engine full.</summary>
internal static class InteractiveCommand
{
    private const int BatchLines = 2000;

    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "A shape, or a folder of a model", DefaultValueFactory = _ => "gpt2" };
        var dtype = new Option<string>("--dtype") { DefaultValueFactory = _ => "float32" };
        var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 20 };
        var prompt = new Option<int>("--prompt") { Description = "Tokens of the prompt", DefaultValueFactory = _ => 64 };
        var command = new Command("interactive", "Measure the time to the first token over HTTP, idle and beside a batch") { model, dtype, rounds, prompt };
        command.SetAction((given, cancellationToken) => RunAsync(given.GetValue(model)!, given.GetValue(dtype)!, given.GetValue(rounds), given.GetValue(prompt), cancellationToken));
        return command;
    }

    private static async Task RunAsync(string model, string dtype, int rounds, int promptTokens, CancellationToken cancellationToken)
    {
        var isFolder = Directory.Exists(model);
        var folder = isFolder ? Path.GetFullPath(model) : ModelShape.Parse(model).WriteFolder();
        try
        {
            LlmEngine? engine = null;
            await using var host = await BenchmarkHost.StartAsync(() => engine = BenchmarkHost.Load(folder, dtype), [], cancellationToken);
            var random = new Random(1);
            await MeasureAsync("warm", 3);
            await MeasureAsync("idle", rounds);
            var batch = await host.CreateAsync(await host.UploadAsync(WriteAsync, cancellationToken), 0, cancellationToken);
            while (BenchmarkHost.Completed(await host.FindAsync(batch, cancellationToken)) < 32)
            {
                await Task.Delay(100, cancellationToken);
            }

            var (clock, drawn) = (Stopwatch.StartNew(), engine!.DrawnTokens);
            await MeasureAsync("beside a batch", rounds);
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(engine.DrawnTokens - drawn) / clock.Elapsed.TotalSeconds:F0} tokens/s meanwhile"));
            using var cancelled = await host.Http.PostAsync($"v1/batches/{batch}/cancel", null, cancellationToken);

            async Task MeasureAsync(string name, int count)
            {
                var times = new List<double>();
                for (var i = 0; i < count; i++)
                {
                    // At no fixed point of the engine's step.
                    await Task.Delay(random.Next(50, 250), cancellationToken);
                    int[] prompt = [.. Enumerable.Range(0, promptTokens).Select(_ => random.Next(engine!.Model.VocabularySize))];
                    times.Add(await FirstTokenAsync(host.Http, prompt, cancellationToken));
                }

                times.Sort();
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model} {dtype}, {name}: median {times[count / 2]:F0} ms, {times[count / 10]:F0} to {times[count * 9 / 10]:F0} in four of five, {times[^1]:F0} at most"));
            }
        }
        finally
        {
            if (!isFolder)
            {
                Directory.Delete(folder, recursive: true);
            }
        }

        async Task WriteAsync(Stream stream)
        {
            // Texts of many lengths, so that lines come and go all the time.
            var random = new Random(2);
            await using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
            for (var line = 0; line < BatchLines; line++)
            {
                var ids = string.Join(',', Enumerable.Range(0, random.Next(16, 128)).Select(_ => random.Next(1000)));
                await writer.WriteAsync(string.Create(CultureInfo.InvariantCulture, $$$"""{"custom_id":"{{{line}}}","method":"POST","url":"/v1/completions","body":{"prompt":[{{{ids}}}],"max_tokens":{{{random.Next(16, 128)}}},"ignore_eos":true}}"""));
                await writer.WriteAsync('\n');
            }
        }
    }

    private static async Task<double> FirstTokenAsync(HttpClient http, int[] prompt, CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/completions") { Content = JsonContent.Create(new { prompt, max_tokens = 4, stream = true, ignore_eos = true }) };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        using var reader = new StreamReader(await response.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(cancellationToken));
        var first = await reader.ReadLineAsync(cancellationToken);
        var time = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        if (first?.StartsWith("data: {", StringComparison.Ordinal) != true)
        {
            throw new InvalidOperationException($"the stream began with '{first}'");
        }

        await reader.ReadToEndAsync(cancellationToken);
        return time;
    }
}
