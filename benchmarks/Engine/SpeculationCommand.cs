using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Batch.Inference.Engine;
using Spectre.Console;

namespace Batch.Benchmarks.Engine;

/// <summary>Rewriting jobs, whose texts mostly follow their prompts, with and without guesses by prompt lookup; and texts that follow nothing, to show what those lose.</summary>
internal static class SpeculationCommand
{
    public const int Tokens = 128;

    private const int Prompt = 256;

    internal sealed record Row(string Shape, string Dtype, string Text, int Batch, double OffTokensPerS, double OnTokensPerS, double Ratio, double Guessed, double Confirmed);

    public static Command Create()
    {
        var (shapes, dtypes, batches, json) = (Settings.Shapes("gpt2"), Settings.DTypes("bfloat16"), Settings.Batches(), Settings.Json());
        var rounds = Settings.Rounds(3);
        var model = new Option<string?>("--model") { Description = "Hugging Face folder: what the model itself writes after ordinary prompts, instead of what a script says" };
        var command = new Command("speculation", $"Texts of {Tokens} tokens after prompts of {Prompt}, with and without guessed tokens") { shapes, dtypes, batches, rounds, model, json };
        command.SetAction(async (result, _) =>
        {
            Devices.Resolve("cpu");
            var rows = new List<Row>();
            if (result.GetValue(model) is { } own)
            {
                rows.AddRange(await WrittenTexts.MeasureAsync(own, result.GetValue(dtypes)!, result.GetValue(batches)!, result.GetValue(rounds)));
                Print(rows, result.GetValue(json));
                return;
            }
            await ModelShape.ForEachAsync(result.GetValue(shapes)!, async (shape, folder) =>
            {
                foreach (var dtype in result.GetValue(dtypes)!)
                {
                    foreach (var (text, changed) in new[] { ("the prompt again", int.MaxValue), ("the prompt, every 16th token changed", 16), ("the prompt, every 6th token changed", 6), ("not the prompt", 1) })
                    {
                        rows.AddRange(await MeasureAsync(shape, folder, dtype, text, changed, result.GetValue(batches)!, result.GetValue(rounds)));
                    }
                }
            });
            Print(rows, result.GetValue(json));
        });
        return command;
    }

    private static async Task<List<Row>> MeasureAsync(ModelShape shape, string folder, string dtype, string text, int changed, int[] batches, int rounds)
    {
        // The prompt, and again with a change now and then.
        var random = new Random(3);
        var prompt = Enumerable.Range(0, Prompt).Select(_ => random.Next(ModelShape.Vocabulary)).ToArray();
        var script = prompt.Concat(prompt.Take(Tokens).Select((token, i) => i % changed == changed - 1 ? random.Next(ModelShape.Vocabulary) : token)).ToArray();
        await using var off = BenchmarkEngine.Load(folder, dtype, configure: o => o.PromptLookupTokens = 0, model: inner => new ScriptedModel(inner, script));
        await using var on = BenchmarkEngine.Load(folder, dtype, model: inner => new ScriptedModel(inner, script));
        var rows = new List<Row>();
        foreach (var batch in batches)
        {
            var (offSpeeds, onSpeeds, before) = (new List<double>(), new List<double>(), (on.Engine.GuessedTokens, on.Engine.ConfirmedTokens));
            for (var round = 0; round < rounds; round++)
            {
                offSpeeds.Add(await DecodeAsync(off, prompt, batch));
                onSpeeds.Add(await DecodeAsync(on, prompt, batch));
            }
            var (offMedian, onMedian, written) = (Statistics.Median(offSpeeds), Statistics.Median(onSpeeds), (double)Tokens * batch * rounds);
            rows.Add(new Row(shape.Name, Settings.Short(dtype), text, batch, offMedian, onMedian, onMedian / offMedian, (on.Engine.GuessedTokens - before.GuessedTokens) / written, (on.Engine.ConfirmedTokens - before.ConfirmedTokens) / written));
        }
        return rows;
    }

    // All prompts are the same, so that after the first run they are in the cache and the time is that of decoding.
    private static async Task<double> DecodeAsync(BenchmarkEngine engine, int[] prompt, int batch)
    {
        await engine.RunAsync(prompt, 1);
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, batch).Select(_ => Task.Run(() => engine.RunAsync(prompt, Tokens))));
        return batch * Tokens / BenchmarkEngine.Seconds(start, Stopwatch.GetTimestamp());
    }

    private static void Print(List<Row> rows, bool json)
    {
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(rows, Settings.SnakeCase));
            return;
        }
        var table = new Table().AddColumns("shape", "dtype", "the text is", "batch", "without, tokens/s", "with, tokens/s", "ratio", "guessed a token", "confirmed a token");
        foreach (var row in rows)
        {
            table.AddRow(row.Shape, row.Dtype, row.Text, $"{row.Batch}", $"{row.OffTokensPerS:F0}", $"{row.OnTokensPerS:F0}", $"{row.Ratio:F2}", $"{row.Guessed:F2}", $"{row.Confirmed:F2}");
        }
        Settings.Print(table);
        AnsiConsole.WriteLine("Scripted texts: the model computes all that its shape costs and then says what the script says. Medians of alternating rounds.");
    }
}
