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

    private sealed record Row(string Shape, string Dtype, int Tokens, double ContinuousS, double StaticS, double OneAtATimeS, double[] OverStatic, double[] OverOneAtATime);

    public static Command Create()
    {
        var (shapes, dtypes, rounds, json) = (Settings.Shapes("gpt2"), Settings.DTypes("bfloat16"), Settings.Rounds(3), Settings.Json());
        var command = new Command("workload", "64 jobs of mixed length: continuous batching, static batches and one at a time") { shapes, dtypes, rounds, json };
        command.SetAction(async (result, _) =>
        {
            Devices.Resolve("cpu");
            var rows = new List<Row>();
            await ModelShape.ForEachAsync(result.GetValue(shapes)!, async (shape, folder) =>
            {
                foreach (var dtype in result.GetValue(dtypes)!)
                {
                    rows.Add(await MeasureAsync(shape.Name, folder, dtype, result.GetValue(rounds)));
                }
            });
            if (result.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(rows, Settings.SnakeCase));
                return;
            }
            var table = new Table().AddColumns("shape", "dtype", "tokens", "continuous, tokens/s", "static, tokens/s", "one at a time, tokens/s", "over static", "over one at a time");
            foreach (var row in rows)
            {
                table.AddRow(row.Shape, row.Dtype, $"{row.Tokens}", $"{row.Tokens / row.ContinuousS:F0}", $"{row.Tokens / row.StaticS:F0}", $"{row.Tokens / row.OneAtATimeS:F0}", Statistics.Spread(row.OverStatic), Statistics.Spread(row.OverOneAtATime));
            }
            Settings.Print(table);
            AnsiConsole.WriteLine($"{Jobs} jobs; prompts of 16 to 256 tokens, texts of 4 to 256, most of them short. A static batch of {StaticBatch} computes every row until its longest text ends. Medians of rounds in turns.");
        });
        return command;
    }

    private static async Task<Row> MeasureAsync(string shape, string folder, string dtype, int rounds)
    {
        await using var engine = BenchmarkEngine.Load(folder, dtype, configure: o => o.PrefixCaching = false);
        await engine.WarmUpAsync(8);
        // Lengths as jobs have them: many short, some long (exponential).
        var random = new Random(11);
        int Length(int least, int most, double mean) => Math.Clamp((int)(-mean * Math.Log(1 - random.NextDouble())), least, most);
        var jobs = Enumerable.Range(0, Jobs).Select(_ => new Job(Length(16, 256, 80), Length(4, 256, 64))).ToArray();
        var (continuous, batches, alone) = (new double[rounds], new double[rounds], new double[rounds]);
        for (var round = 0; round < rounds; round++)
        {
            continuous[round] = await TimeAsync(() => Task.WhenAll(jobs.Select(job => Run(job, job.Tokens))));
            batches[round] = await TimeAsync(async () =>
            {
                foreach (var batch in jobs.Chunk(StaticBatch))
                {
                    var longest = batch.Max(job => job.Tokens);
                    await Task.WhenAll(batch.Select(job => Run(job, longest)));
                }
            });
            alone[round] = await TimeAsync(async () =>
            {
                foreach (var job in jobs)
                {
                    await Run(job, job.Tokens);
                }
            });
        }
        double[] Over(double[] others) => [.. others.Zip(continuous, (other, own) => other / own)];
        return new Row(shape, Settings.Short(dtype), jobs.Sum(job => job.Tokens), Statistics.Median(continuous), Statistics.Median(batches), Statistics.Median(alone), Over(batches), Over(alone));

        Task Run(Job job, int tokens) => engine.RunAsync(engine.Prompt(job.Prompt), tokens);
    }

    private static async Task<double> TimeAsync(Func<Task> run)
    {
        var start = Stopwatch.GetTimestamp();
        await run();
        return BenchmarkEngine.Seconds(start, Stopwatch.GetTimestamp());
    }
}
