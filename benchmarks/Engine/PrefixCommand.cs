using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Batch.Inference.Engine;
using Spectre.Console;

namespace Batch.Benchmarks.Engine;

/// <summary>Jobs that share a long instruction, with and without the prefix cache.</summary>
internal static class PrefixCommand
{
    private const int Jobs = 16, Shared = 960, Own = 16, Tokens = 4;

    private sealed record Row(string Shape, string Dtype, double WithJobsPerS, double WithoutJobsPerS, double[] Ratios);

    public static Command Create()
    {
        var (shapes, dtypes, rounds, json) = (Settings.Shapes("gpt2"), Settings.DTypes(), Settings.Rounds(3), Settings.Json());
        var command = new Command("prefix", $"{Jobs} jobs with a shared prompt of {Shared} tokens, with and without the prefix cache") { shapes, dtypes, rounds, json };
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
            var table = new Table().AddColumns("shape", "dtype", "with, jobs/s", "without, jobs/s", "ratio");
            foreach (var row in rows)
            {
                table.AddRow(row.Shape, row.Dtype, $"{row.WithJobsPerS:F1}", $"{row.WithoutJobsPerS:F1}", Statistics.Spread(row.Ratios));
            }
            Settings.Print(table);
            AnsiConsole.WriteLine($"{Jobs} jobs at once: {Shared} shared tokens, {Own} of their own, texts of {Tokens}. The shared part is in the cache from an earlier job. Medians of rounds in turns.");
        });
        return command;
    }

    private static async Task<Row> MeasureAsync(string shape, string folder, string dtype, int rounds)
    {
        await using var with = BenchmarkEngine.Load(folder, dtype, configure: o => o.PrefixCaching = true);
        await using var without = BenchmarkEngine.Load(folder, dtype, configure: o => o.PrefixCaching = false);
        await with.WarmUpAsync(Jobs);
        await without.WarmUpAsync(Jobs);
        var shared = with.Prompt(Shared);
        var (cached, computed) = (new double[rounds], new double[rounds]);
        for (var round = 0; round < rounds; round++)
        {
            cached[round] = await MeasureAsync(with, shared);
            computed[round] = await MeasureAsync(without, shared);
        }
        return new Row(shape, Settings.Short(dtype), Jobs / Statistics.Median(cached), Jobs / Statistics.Median(computed), [.. computed.Zip(cached, (all, own) => all / own)]);
    }

    // Seconds of all jobs.
    private static async Task<double> MeasureAsync(BenchmarkEngine engine, int[] shared)
    {
        int[] Prompt() => [.. shared, .. engine.Prompt(Own)];
        await engine.RunAsync(Prompt(), Tokens);
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Jobs).Select(_ => engine.RunAsync(Prompt(), Tokens)));
        return BenchmarkEngine.Seconds(start, Stopwatch.GetTimestamp());
    }
}
