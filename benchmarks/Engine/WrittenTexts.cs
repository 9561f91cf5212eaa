using System.Diagnostics;
using Batch.Inference.Engine;

namespace Batch.Benchmarks.Engine;

/// <summary>What a trained model writes by itself after ordinary prompts, with and without guessed tokens: texts that follow their prompts only by chance.</summary>
internal static class WrittenTexts
{
    private static readonly string[] Prompts =
    [
        "The lighthouse keeper's daughter decided", "Our new bakery opens on Saturday and", "Why do cats purr?", "Dear neighbours, the old bridge", "Please write a few lines about our new hiking boots.",
        "老城墙下新开了一家修表铺，", "为什么要每天散步？", "请为新款保温杯写一段介绍：",
    ];

    public static async Task<List<SpeculationCommand.Row>> MeasureAsync(string folder, string[] dtypes, int[] batches, int rounds)
    {
        var rows = new List<SpeculationCommand.Row>();
        foreach (var dtype in dtypes)
        {
            await using var off = LlmEngine.Load(new EngineOptions { ModelPath = folder, Device = "cpu", DType = dtype, PromptLookupTokens = 0 });
            await using var on = LlmEngine.Load(new EngineOptions { ModelPath = folder, Device = "cpu", DType = dtype });
            foreach (var (name, sampling) in new[] { ("its own, sampled", new SamplingParams { Temperature = 0.7f, TopP = 0.9f, RepetitionPenalty = 1.05f }), ("its own, greedy", new SamplingParams { Temperature = 0 }) })
            {
                foreach (var batch in batches)
                {
                    var (offSpeeds, onSpeeds, before) = (new List<double>(), new List<double>(), (on.GuessedTokens, on.ConfirmedTokens));
                    for (var round = 0; round < rounds; round++)
                    {
                        offSpeeds.Add(await WriteAsync(off, batch, sampling));
                        onSpeeds.Add(await WriteAsync(on, batch, sampling));
                    }
                    var (without, with, written) = (Statistics.Median(offSpeeds), Statistics.Median(onSpeeds), (double)SpeculationCommand.Tokens * batch * rounds);
                    rows.Add(new(on.Model.Name, Settings.Short(dtype), name, batch, without, with, with / without, (on.GuessedTokens - before.GuessedTokens) / written, (on.ConfirmedTokens - before.ConfirmedTokens) / written));
                }
            }
        }
        return rows;
    }

    private static async Task<double> WriteAsync(LlmEngine engine, int batch, SamplingParams sampling)
    {
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, batch).Select(i => Task.Run(async () =>
        {
            var prompt = engine.Tokenizer.Encode(Prompts[i % Prompts.Length]);
            await foreach (var _ in engine.GenerateAsync(new GenerationRequest($"{i}", prompt, sampling with { MaxTokens = SpeculationCommand.Tokens, IgnoreEos = true, Seed = (ulong)i })))
            {
            }
        })));
        return batch * SpeculationCommand.Tokens / BenchmarkEngine.Seconds(start, Stopwatch.GetTimestamp());
    }
}
