using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Inference.Kernels;
using Spectre.Console;

namespace Batch.Benchmarks.Engine;

/// <summary>Where a decoding step's time goes, in the engine as callers have it. The clock itself costs a step about 0.03 ms.</summary>
internal static class StepProfile
{
    private const int Tokens = 32, Rounds = 3;

    private sealed record Row(string Shape, string Dtype, int Batch, double StepMs, IReadOnlyDictionary<string, double> Share);

    public static async Task RunAsync(string[] shapes, int[] batches, string[] dtypes, bool json)
    {
        Devices.Resolve("cpu");
        var rows = new List<Row>();
        await ModelShape.ForEachAsync(shapes, async (shape, folder) =>
        {
            foreach (var dtype in dtypes)
            {
                await using var engine = BenchmarkEngine.Load(folder, dtype, profile: true);
                await engine.WarmUpAsync(8);
                foreach (var batch in batches)
                {
                    rows.Add(await MeasureAsync(engine, shape.Name, dtype, batch));
                }
            }
        });
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(rows, Settings.SnakeCase));
            return;
        }
        Print(rows);
    }

    // The round whose steps were the shortest: in the others somebody else had the machine.
    private static async Task<Row> MeasureAsync(BenchmarkEngine engine, string shape, string dtype, int batch)
    {
        double[] best = [double.MaxValue];
        for (var round = 0; round < Rounds; round++)
        {
            var seconds = await engine.ProfileAsync(batch, EngineCommand.PromptLength, Tokens);
            best = seconds.Sum() < best.Sum() ? seconds : best;
        }
        return new Row(shape, Settings.Short(dtype), batch, best.Sum() * 1000, Enum.GetValues<StepPhase>().ToDictionary(phase => phase.ToString().ToLowerInvariant(), phase => best[(int)phase] / best.Sum()));
    }

    private static void Print(List<Row> rows)
    {
        var table = new Table().AddColumns("shape", "dtype", "batch", "step, ms");
        foreach (var phase in Enum.GetNames<StepPhase>())
        {
            table.AddColumn(phase.ToLowerInvariant());
        }
        foreach (var row in rows)
        {
            table.AddRow([row.Shape, row.Dtype, $"{row.Batch}", $"{row.StepMs:F2}", .. row.Share.Values.Select(share => $"{share * row.StepMs:F2} ({share:P0})")]);
        }
        Settings.Print(table);
        AnsiConsole.WriteLine($"Milliseconds on the engine's thread; the shortest of {Rounds} rounds of {Tokens} steps.");
    }
}
