using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Batch.Benchmarks.LlamaCpp;
using Batch.Inference.Engine;
using Spectre.Console;
using static TorchSharp.torch;

namespace Batch.Benchmarks.Engine;

/// <summary>
/// The same work in this engine and in llama.cpp, in turns, in one process, on the same number of threads and the same weights in the same precision.
/// This engine samples with top_p from every row; llama.cpp takes the largest logit.
/// </summary>
internal static class PeerCommand
{
    private const int Tokens = 24;

    private sealed record Row(string Shape, string Dtype, string Phase, int Batch, double OursTokensPerS, double PeerTokensPerS, double Ratio, double RatioMin, double RatioMax);

    public static Command Create()
    {
        var (shapes, batches, dtypes, json) = (Settings.Shapes("gpt2", "llama135m"), Settings.Batches(), Settings.DTypes(), Settings.Json());
        var rounds = Settings.Rounds(5);
        var threads = new Option<int>("--threads") { Description = "of both", DefaultValueFactory = _ => 2 };
        var command = new Command("peer", "This engine and llama.cpp side by side") { shapes, batches, dtypes, rounds, threads, json };
        command.SetAction(async (result, _) =>
        {
            var rows = await RunAsync(result.GetValue(shapes)!, result.GetValue(dtypes)!, result.GetValue(batches)!, result.GetValue(rounds), result.GetValue(threads));
            if (result.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(rows, Settings.SnakeCase));
            }
            else
            {
                Print(rows);
            }
        });
        return command;
    }

    private static async Task<List<Row>> RunAsync(string[] shapes, string[] dtypes, int[] batches, int rounds, int threads)
    {
        Devices.Resolve("cpu");
        var rows = new List<Row>();
        await ModelShape.ForEachAsync(shapes, async (shape, folder) =>
        {
            foreach (var dtype in dtypes)
            {
                var gguf = Path.Combine(folder, $"{dtype}.gguf");
                GgufCheckpoint.Write(folder, gguf, dtype == "bfloat16" ? ScalarType.BFloat16 : ScalarType.Float32);
                foreach (var batch in batches)
                {
                    rows.AddRange(await CompareAsync(shape.Name, folder, gguf, dtype, batch, rounds, threads));
                }
                File.Delete(gguf);
            }
        });
        return rows;
    }

    private static async Task<Row[]> CompareAsync(string shape, string folder, string gguf, string dtype, int batch, int rounds, int threads)
    {
        await using var engine = BenchmarkEngine.Load(folder, dtype, threads);
        using var peer = LlamaCppModel.Load(gguf, new LlamaCppOptions(batch, EngineCommand.PromptLength + 2 * Tokens, threads));
        await engine.WarmUpAsync(batch);
        Measure(peer, batch, Tokens);
        var (ours, theirs) = (new Speed[rounds], new Speed[rounds]);
        for (var round = 0; round < rounds; round++)
        {
            ours[round] = await engine.MeasureAsync(batch, EngineCommand.PromptLength, Tokens);
            theirs[round] = Measure(peer, batch, Tokens);
        }
        return
        [
            Compare("prefill", ours.Select(s => s.PrefillTokensPerSecond), theirs.Select(s => s.PrefillTokensPerSecond)),
            Compare("decode", ours.Select(s => s.DecodeTokensPerSecond), theirs.Select(s => s.DecodeTokensPerSecond)),
        ];

        Row Compare(string phase, IEnumerable<double> own, IEnumerable<double> other)
        {
            var ratios = own.Zip(other, (a, b) => a / b).Order().ToArray();
            return new Row(shape, Settings.Short(dtype), phase, batch, Statistics.Median(own), Statistics.Median(other), Statistics.Median(ratios), ratios[0], ratios[^1]);
        }
    }

    private static Speed Measure(LlamaCppModel peer, int batch, int tokens)
    {
        var random = new Random(3);
        peer.Clear();
        var prompt = Enumerable.Range(0, batch).SelectMany(s => Enumerable.Range(0, EngineCommand.PromptLength)
            .Select(i => new LlamaCppRow(random.Next(peer.VocabularySize), i, s, Logits: i == EngineCommand.PromptLength - 1))).ToArray();
        var start = Stopwatch.GetTimestamp();
        peer.Decode(prompt);
        var next = Enumerable.Range(0, batch).Select(s => Largest(peer.Logits((s + 1) * EngineCommand.PromptLength - 1))).ToArray();
        var prefilled = Stopwatch.GetTimestamp();
        for (var i = 0; i < tokens; i++)
        {
            peer.Decode(Enumerable.Range(0, batch).Select(s => new LlamaCppRow(next[s], EngineCommand.PromptLength + i, s, Logits: true)).ToArray());
            for (var s = 0; s < batch; s++)
            {
                next[s] = Largest(peer.Logits(s));
            }
        }
        return new Speed(prompt.Length / BenchmarkEngine.Seconds(start, prefilled), batch * tokens / BenchmarkEngine.Seconds(prefilled, Stopwatch.GetTimestamp()));
    }

    private static int Largest(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
        {
            best = logits[i] > logits[best] ? i : best;
        }
        return best;
    }

    private static void Print(List<Row> rows)
    {
        var table = new Table().AddColumns("shape", "dtype", "phase", "batch", "this engine, tokens/s", "llama.cpp, tokens/s", "ratio", "smallest", "largest");
        foreach (var row in rows)
        {
            table.AddRow(row.Shape, row.Dtype, row.Phase, $"{row.Batch}", $"{row.OursTokensPerS:F1}", $"{row.PeerTokensPerS:F1}", $"{row.Ratio:F2}", $"{row.RatioMin:F2}", $"{row.RatioMax:F2}");
        }
        Settings.Print(table);
        AnsiConsole.WriteLine($"llama.cpp {LlamaCppPackage.Release}, its defaults. Medians over the rounds; a ratio compares two runs beside each other.");
    }
}
