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

    public static Command Create()
    {
        var (shapes, dtypes, json) = (Settings.Shapes("gpt2"), Settings.DTypes(), Settings.Json());
        var command = new Command("prefix", $"{Jobs} jobs with a shared prompt of {Shared} tokens, with and without the prefix cache") { shapes, dtypes, json };
        command.SetAction(async (result, _) =>
        {
            Devices.Resolve("cpu");
            var rows = new List<object>();
            var table = new Table().AddColumns("shape", "dtype", "with, jobs/s", "without, jobs/s", "ratio");
            foreach (var shape in result.GetValue(shapes)!.Select(ModelShape.Parse))
            {
                var folder = shape.WriteFolder();
                try
                {
                    foreach (var dtype in result.GetValue(dtypes)!)
                    {
                        var (with, without) = (await MeasureAsync(folder, dtype, caching: true), await MeasureAsync(folder, dtype, caching: false));
                        table.AddRow(shape.Name, dtype, $"{Jobs / with:F1}", $"{Jobs / without:F1}", $"{without / with:F2}");
                        rows.Add(new { Shape = shape.Name, Dtype = Settings.Short(dtype), WithJobsPerS = Jobs / with, WithoutJobsPerS = Jobs / without, Ratio = without / with });
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
                AnsiConsole.WriteLine($"{Jobs} jobs at once: {Shared} shared tokens, {Own} of their own, texts of {Tokens}. The shared part is in the cache from an earlier job.");
            }
        });
        return command;
    }

    private static async Task<double> MeasureAsync(string folder, string dtype, bool caching)
    {
        await using var engine = BenchmarkEngine.Load(folder, dtype, configure: o => o.PrefixCaching = caching);
        var shared = engine.Prompt(Shared);
        int[] Prompt() => [.. shared, .. engine.Prompt(Own)];
        await engine.RunAsync(Prompt(), Tokens);
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Jobs).Select(_ => engine.RunAsync(Prompt(), Tokens)));
        return BenchmarkEngine.Seconds(start, Stopwatch.GetTimestamp());
    }
}
