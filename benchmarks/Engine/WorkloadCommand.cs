using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Batch.Inference.Engine;
using Spectre.Console;

namespace Batch.Benchmarks.Engine;

/// <summary>
/// 64 jobs of mixed length, run three ways on the same engine: as they come (continuous batching), in static batches of 32 that each wait for their longest
/// text, and one at a time.
/// </summary>
internal static class WorkloadCommand
{
    private const int Jobs = 64, StaticBatch = 32;

    private sealed record Job(int Prompt, int Tokens);

    public static Command Create()
    {
        var (shapes, dtypes, json) = (Settings.Shapes("gpt2"), Settings.DTypes("bfloat16"), Settings.Json());
        var command = new Command("workload", "64 jobs of mixed length: continuous batching, static batches and one at a time") { shapes, dtypes, json };
        command.SetAction(async (result, _) =>
        {
            Devices.Resolve("cpu");
            var rows = new List<object>();
            var table = new Table().AddColumns("shape", "dtype", "tokens", "continuous, tokens/s", "static, tokens/s", "one at a time, tokens/s", "over static", "over one at a time");
            foreach (var shape in result.GetValue(shapes)!.Select(ModelShape.Parse))
            {
                var folder = shape.WriteFolder();
                try
                {
                    foreach (var dtype in result.GetValue(dtypes)!)
                    {
                        var (tokens, continuous, fixedBatches, alone) = await MeasureAsync(folder, dtype);
                        table.AddRow(shape.Name, dtype, $"{tokens}", $"{tokens / continuous:F0}", $"{tokens / fixedBatches:F0}", $"{tokens / alone:F0}", $"{fixedBatches / continuous:F2}", $"{alone / continuous:F2}");
                        rows.Add(new { Shape = shape.Name, Dtype = Settings.Short(dtype), Tokens = tokens, ContinuousS = continuous, StaticS = fixedBatches, OneAtATimeS = alone, OverStatic = fixedBatches / continuous, OverOneAtATime = alone / continuous });
                    }
                }
                finally
                {
                    Directory.Delete(folder, recursive: true);
                }
            }
            if (result.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(rows, Settings.SnakeCase));
            }
            else
            {
                Settings.Print(table);
                AnsiConsole.WriteLine($"{Jobs} jobs; prompts of 16 to 256 tokens, texts of 4 to 256, most of them short. A static batch of {StaticBatch} computes every row until its longest text ends.");
            }
        });
        return command;
    }

    private static async Task<(int Tokens, double Continuous, double Static, double Alone)> MeasureAsync(string folder, string dtype)
    {
        await using var engine = BenchmarkEngine.Load(folder, dtype, configure: o => o.PrefixCaching = false);
        await engine.WarmUpAsync(8);
        // Lengths as jobs have them: many short, some long (exponential).
        var random = new Random(11);
        int Length(int least, int most, double mean) => Math.Clamp((int)(-mean * Math.Log(1 - random.NextDouble())), least, most);
        var jobs = Enumerable.Range(0, Jobs).Select(_ => new Job(Length(16, 256, 80), Length(4, 256, 64))).ToArray();

        var continuous = await TimeAsync(() => Task.WhenAll(jobs.Select(job => Run(job, job.Tokens))));
        var fixedBatches = await TimeAsync(async () =>
        {
            foreach (var batch in jobs.Chunk(StaticBatch))
            {
                var longest = batch.Max(job => job.Tokens);
                await Task.WhenAll(batch.Select(job => Run(job, longest)));
            }
        });
        var alone = await TimeAsync(async () =>
        {
            foreach (var job in jobs)
            {
                await Run(job, job.Tokens);
            }
        });
        return (jobs.Sum(job => job.Tokens), continuous, fixedBatches, alone);

        Task Run(Job job, int tokens) => engine.RunAsync(engine.Prompt(job.Prompt), tokens);
    }

    private static async Task<double> TimeAsync(Func<Task> run)
    {
        var start = Stopwatch.GetTimestamp();
        await run();
        return BenchmarkEngine.Seconds(start, Stopwatch.GetTimestamp());
    }
}
