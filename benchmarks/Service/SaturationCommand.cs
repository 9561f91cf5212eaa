using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Batch.Benchmarks.Engine;
using Batch.Inference.Engine;

namespace Batch.Benchmarks.Service;

/// <summary>The same requests straight through an engine and as a batch through queue, blobs and events, in turns: what the way costs.</summary>
internal static class SaturationCommand
{
    private const double Edge = 0.2;

    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "A shape, or a folder of a model", DefaultValueFactory = _ => "gpt2" };
        var dtype = new Option<string>("--dtype") { DefaultValueFactory = _ => "float32" };
        var (lines, tokens, rounds) = (Count("--lines", 256), Count("--tokens", 32), Count("--rounds", 3));
        var command = new Command("saturate", "Measure what the service path costs of an engine's throughput") { model, dtype, lines, tokens, rounds };
        command.SetAction((given, cancellationToken) => RunAsync(
            given.GetValue(model)!, given.GetValue(dtype)!, given.GetValue(lines), given.GetValue(tokens), given.GetValue(rounds), cancellationToken));
        return command;
    }

    private static async Task RunAsync(string model, string dtype, int lines, int tokens, int rounds, CancellationToken cancellationToken)
    {
        var isFolder = Directory.Exists(model);
        var folder = isFolder ? Path.GetFullPath(model) : ModelShape.Parse(model).WriteFolder();
        try
        {
            MeteredEngine? engine = null;
            await using var host = await BenchmarkHost.StartAsync(() => engine = MeteredEngine.Load(folder, dtype), [], cancellationToken);
            await AloneAsync(engine!, lines: 32, tokens: 8, round: 0);
            var ratios = new List<double>();
            for (var round = 1; round <= rounds; round++)
            {
                engine!.Reset();
                await AloneAsync(engine, lines, tokens, 2 * round);
                var alone = engine.TokensPerSecond(Edge);
                engine.Reset();
                var file = await host.UploadAsync(stream => WriteAsync(stream, engine, lines, tokens, (2 * round) + 1), cancellationToken);
                var (clock, emulator) = (Stopwatch.StartNew(), EmulatorTime.Read());
                await host.CompletedAsync(await host.CreateAsync(file, 0, cancellationToken), TimeSpan.FromSeconds(1), cancellationToken);
                var share = (EmulatorTime.Read() - emulator) / clock.Elapsed / Environment.ProcessorCount;
                var service = engine.TokensPerSecond(Edge);
                ratios.Add(service / alone);
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"alone {alone:F0} tokens/s, as a batch {service:F0}, {service / alone:P1}; the storage emulator took {share:P1} of the processor meanwhile"));
            }

            ratios.Sort();
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model} {dtype}: the way costs {1 - ratios[ratios.Count / 2]:P1} (of {rounds} rounds the median; {1 - ratios[^1]:P1} to {1 - ratios[0]:P1})"));
        }
        finally
        {
            if (!isFolder)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static Task AloneAsync(LlmEngine engine, int lines, int tokens, int round)
    {
        var sampling = new SamplingParams { MaxTokens = tokens, IgnoreEos = true, Temperature = 0.8f, TopP = 0.95f };
        return Task.WhenAll(Enumerable.Range(0, lines).Select(line => Task.Run(async () =>
        {
            var request = new GenerationRequest($"{round}-{line}", Prompt(engine, round, line), sampling with { Seed = (ulong)line });
            await foreach (var _ in engine.GenerateAsync(request))
            {
                // Counted by the engine.
            }
        })));
    }

    private static async Task WriteAsync(Stream stream, LlmEngine engine, int lines, int tokens, int round)
    {
        await using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
        for (var line = 0; line < lines; line++)
        {
            await writer.WriteAsync(string.Create(
                CultureInfo.InvariantCulture,
                $$$"""{"custom_id":"{{{line}}}","method":"POST","url":"/v1/completions","body":{"prompt":[{{{string.Join(',', Prompt(engine, round, line))}}}],"max_tokens":{{{tokens}}},"ignore_eos":true,"temperature":0.8,"top_p":0.95,"seed":{{{line}}}}}"""));
            await writer.WriteAsync('\n');
        }
    }

    /// <summary>64 tokens that no other begins with, so that none is remembered.</summary>
    public static int[] Prompt(LlmEngine engine, int round, int line)
    {
        var random = new Random((round * 100_000) + line);
        return [.. Enumerable.Range(0, 64).Select(_ => random.Next(engine.Model.VocabularySize))];
    }

    private static Option<int> Count(string name, int standard) => new(name) { DefaultValueFactory = _ => standard };
}
