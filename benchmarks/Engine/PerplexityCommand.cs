using System.CommandLine;
using System.Text.Json;
using Batch.Inference.Engine;
using Spectre.Console;

namespace Batch.Benchmarks.Engine;

/// <summary>How surprised a trained model is by a text, in each dtype and with rounded weights: what speed costs in quality.</summary>
internal static class PerplexityCommand
{
    private sealed record Row(string Model, string Dtype, string Weights, int Tokens, double NatsAToken, double Perplexity, double Change);

    private static readonly string[] Weights = ["auto", "int8"];

    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Hugging Face folder of a trained model" };
        var files = new Argument<string[]>("files") { Description = "texts, UTF-8" };
        var tail = new Option<int>("--tail") { Description = "only so many of each file's last characters", DefaultValueFactory = _ => 20_000 };
        var (dtypes, json) = (Settings.DTypes("float32", "bfloat16"), Settings.Json());
        var command = new Command("perplexity", "exp of the mean surprise at a text's tokens, in windows of the model's context") { folder, files, tail, dtypes, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var texts = result.GetValue(files)!.Select(File.ReadAllText).Select(text => text[^Math.Min(text.Length, result.GetValue(tail))..]).ToArray();
            var rows = new List<Row>();
            foreach (var dtype in result.GetValue(dtypes)!)
            {
                foreach (var weights in Weights)
                {
                    var (name, tokens, nats) = await MeasureAsync(result.GetValue(folder)!, dtype, weights, texts, cancellationToken);
                    var perplexity = Math.Exp(nats);
                    rows.Add(new Row(name, Settings.Short(dtype), weights, tokens, nats, perplexity, rows.Count == 0 ? 0 : perplexity / rows[0].Perplexity - 1));
                }
            }
            Print(rows, result.GetValue(json));
        });
        return command;
    }

    private static async Task<(string Name, int Tokens, double Nats)> MeasureAsync(string folder, string dtype, string weights, string[] texts, CancellationToken cancellationToken)
    {
        await using var engine = LlmEngine.Load(new EngineOptions { ModelPath = folder, Device = "cpu", DType = dtype, WeightDType = weights });
        var windows = texts.SelectMany(text => engine.Tokenizer.Encode(text, addSpecialTokens: false).Chunk(engine.Model.ContextLength - 1)).Where(window => window.Length > 1);
        var (tokens, nats) = (0, 0.0);
        foreach (var window in windows)
        {
            var sampling = new SamplingParams { MaxTokens = 1, PromptLogprobs = 0 };
            await foreach (var update in engine.GenerateAsync(new GenerationRequest($"{tokens}", window, sampling), cancellationToken))
            {
                tokens += update.PromptLogprobs?.Count ?? 0;
                nats -= update.PromptLogprobs?.Sum(token => (double)token.Logprob) ?? 0;
            }
        }
        return (engine.Model.Name, tokens, nats / tokens);
    }

    private static void Print(List<Row> rows, bool json)
    {
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(rows, Settings.SnakeCase));
            return;
        }
        var table = new Table().AddColumns("model", "dtype", "weights", "tokens", "nats a token", "perplexity", "change");
        foreach (var row in rows)
        {
            table.AddRow(row.Model, row.Dtype, row.Weights, $"{row.Tokens}", $"{row.NatsAToken:F4}", $"{row.Perplexity:F3}", $"{row.Change:+0.00%;-0.00%;0.00%}");
        }
        Settings.Print(table);
    }
}
