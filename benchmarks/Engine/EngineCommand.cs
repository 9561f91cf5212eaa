using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Batch.Inference.Engine;
using Spectre.Console;

namespace Batch.Benchmarks.Engine;

/// <summary>The engine alone: tokens a second, and which share of what the machine can do that is.</summary>
internal static class EngineCommand
{
    public const int PromptLength = 128;

    private sealed record Row(string Shape, string Dtype, int Batch, double PrefillTokensPerS, double DecodeTokensPerS, double ReadShare, double FlopShare, double MemoryGib, double FirstTokenS);

    public static Command Create()
    {
        var (shapes, batches, dtypes, json) = (Settings.Shapes("gpt2", "llama135m"), Settings.Batches(), Settings.Precisions(), Settings.Json());
        var profile = new Option<bool>("--profile") { Description = "where a decoding step's time goes, instead" };
        var command = new Command("engine", "Decode and prefill tokens/s at a context of about 128, beside this machine's ceilings") { shapes, batches, dtypes, profile, json };
        command.SetAction(async (result, _) => await (result.GetValue(profile)
            ? StepProfile.RunAsync(result.GetValue(shapes)!, result.GetValue(batches)!, result.GetValue(dtypes)!, result.GetValue(json))
            : RunAsync(result.GetValue(shapes)!, result.GetValue(batches)!, result.GetValue(dtypes)!, result.GetValue(json))));
        return command;
    }

    private static async Task RunAsync(string[] shapes, int[] batches, string[] dtypes, bool json)
    {
        Devices.Resolve("cpu");
        var ceilings = Ceilings.Measure();
        var rows = new List<Row>();
        await ModelShape.ForEachAsync(shapes, async (shape, folder) =>
        {
            foreach (var dtype in dtypes)
            {
                rows.AddRange(await MeasureAsync(shape, folder, dtype, batches, ceilings));
            }
        });
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(new { ceilings, rows }, Settings.SnakeCase));
            return;
        }
        Print(ceilings, rows);
    }

    private static async Task<List<Row>> MeasureAsync(ModelShape shape, string folder, string dtype, int[] batches, Ceilings ceilings)
    {
        var firstToken = await FirstTokenCommand.MeasureAsync(folder, dtype);
        var rows = new List<Row>();
        await using var engine = BenchmarkEngine.Load(folder, dtype);
        await engine.WarmUpAsync(8);
        using var process = Process.GetCurrentProcess();
        foreach (var batch in batches)
        {
            var (prefill, decode) = (0.0, 0.0);
            for (var round = 0; round < 3; round++)
            {
                var speed = await engine.MeasureAsync(batch, PromptLength, tokens: 24);
                (prefill, decode) = (Math.Max(prefill, speed.PrefillTokensPerSecond), Math.Max(decode, speed.DecodeTokensPerSecond));
            }
            var bytes = shape.MatrixParameters * (dtype switch { "int8" => 1.0, "bfloat16" => 2.0, _ => 4.0 });
            process.Refresh();
            rows.Add(new Row(shape.Name, Settings.Short(dtype), batch, prefill, decode, decode / batch * bytes / ceilings.ReadBytesPerSecond, decode * 2 * shape.MatrixParameters / ceilings.Flops(dtype), process.WorkingSet64 / (double)(1 << 30), firstToken));
        }
        return rows;
    }

    private static void Print(Ceilings ceilings, List<Row> rows)
    {
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"This machine: {Environment.ProcessorCount} cores; reads {ceilings.ReadBytesPerSecond / 1e9:F1} GB/s; multiplies {ceilings.Float32FlopsPerSecond / 1e9:F0} GFLOP/s in float32, {ceilings.BFloat16FlopsPerSecond / 1e9:F0} in bfloat16.");
        var table = new Table().AddColumns("shape", "dtype", "batch", "prefill tokens/s", "decode tokens/s", "of the read ceiling", "of the matrix ceiling", "process, GiB", "start to first token");
        foreach (var row in rows)
        {
            table.AddRow(row.Shape, row.Dtype, $"{row.Batch}", $"{row.PrefillTokensPerS:F0}", $"{row.DecodeTokensPerS:F1}", $"{row.ReadShare:P0}", $"{row.FlopShare:P0}", $"{row.MemoryGib:F2}", $"{row.FirstTokenS:F2} s");
        }
        Settings.Print(table);
        AnsiConsole.WriteLine("Decode reads every matrix once a step (read ceiling) and multiplies it by each row (matrix ceiling). Best of 3 rounds.");
    }
}
