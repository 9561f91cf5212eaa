using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Batch.Inference.Engine;

namespace Batch.Benchmarks.Service;

/// <summary>The same jobs with checkpoints and, in turns, with settings under which none is due: what writing them costs of the throughput, storage on the same machine.</summary>
internal static class CheckpointsCommand
{
    private static readonly string[] Without = ["--Jobs:CheckpointTokens=1000000", "--Jobs:CheckpointSeconds=3600", "--Jobs:LeaseSeconds=3600"];

    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "A folder of a model", DefaultValueFactory = _ => "models/draft-5m" };
        var jobs = new Option<int>("--jobs") { Description = "At once", DefaultValueFactory = _ => 32 };
        var tokens = new Option<int>("--tokens") { Description = "Of each text", DefaultValueFactory = _ => 400 };
        var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 5 };
        var settings = new Option<string[]>("--set") { Description = "Settings of the runs with checkpoints: Jobs:CheckpointTokens=64", DefaultValueFactory = _ => [], AllowMultipleArgumentsPerToken = true };
        var command = new Command("checkpoints", "Measure what checkpoints cost of the throughput of jobs") { model, jobs, tokens, rounds, settings };
        command.SetAction(async (given, cancellationToken) =>
        {
            var options = new EngineOptions { ModelPath = Path.GetFullPath(given.GetValue(model)!), Device = "cpu" };
            string[] with = [.. given.GetValue(settings)!.Select(setting => $"--{setting}")];
            var costs = new List<double>();
            for (var round = 0; round < given.GetValue(rounds); round++)
            {
                var plain = await MeasureAsync(options, Without, given.GetValue(jobs), given.GetValue(tokens), cancellationToken);
                var saved = await MeasureAsync(options, with, given.GetValue(jobs), given.GetValue(tokens), cancellationToken);
                costs.Add(1 - (saved / plain));
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"without {plain:F0} tokens/s, with checkpoints {saved:F0}, cost {costs[^1]:P1}"));
            }

            costs.Sort();
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"checkpoints cost {costs[costs.Count / 2]:P1} (of {costs.Count} rounds the median; {costs[0]:P1} to {costs[^1]:P1})"));
        });
        return command;
    }

    // From when all jobs run until the first has ended.
    private static async Task<double> MeasureAsync(EngineOptions options, string[] settings, int jobs, int tokens, CancellationToken cancellationToken)
    {
        var engine = LlmEngine.Load(options);
        await using var host = await BenchmarkHost.StartAsync(() => engine, settings, cancellationToken);
        var ids = new List<string>();
        for (var i = 0; i < jobs; i++)
        {
            using var submitted = await host.Http.PostAsJsonAsync("v1/jobs", new { prompt = $"Draft {i} about the garden", max_tokens = tokens, ignore_eos = true, seed = i }, cancellationToken);
            ids.Add((await submitted.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("id").GetString()!);
        }

        while (engine.DrawnTokens < 4 * jobs)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), cancellationToken);
        }

        var (clock, before, most) = (Stopwatch.StartNew(), engine.DrawnTokens, (long)jobs * tokens * 9 / 10);
        while (engine.DrawnTokens < most)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), cancellationToken);
        }

        var speed = (engine.DrawnTokens - before) / clock.Elapsed.TotalSeconds;
        foreach (var id in ids)
        {
            while (!(await host.Http.GetFromJsonAsync<JsonElement>($"v1/jobs/{id}", cancellationToken)).TryGetProperty("finished_at", out _))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), cancellationToken);
            }
        }

        return speed;
    }
}
