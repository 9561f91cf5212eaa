using System.CommandLine;
using System.Globalization;
using System.Text;
using Batch.Benchmarks.Engine;
using Batch.Inference.Engine;

namespace Batch.Benchmarks.Service;

/// <summary>The same requests straight through an engine and as a batch through queue, blobs and events, in turns: what the way costs, and where.</summary>
internal static class SaturationCommand
{
    private const int PromptTokens = 64;

    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "A shape, or a folder of a model", DefaultValueFactory = _ => "gpt2" };
        var dtype = new Option<string>("--dtype") { DefaultValueFactory = _ => "float32" };
        var (lines, tokens, rounds) = (Count("--lines", 400), Count("--tokens", 64), Count("--rounds", 3));
        var settings = new Option<string[]>("--set") { Description = "Settings of the host: Batches:SliceLines=16", DefaultValueFactory = _ => [], AllowMultipleArgumentsPerToken = true };
        var command = new Command("saturate", "Measure what the service path costs of an engine's throughput") { model, dtype, lines, tokens, rounds, settings };
        command.SetAction((given, cancellationToken) => RunAsync(
            given.GetValue(model)!, given.GetValue(dtype)!, given.GetValue(lines), given.GetValue(tokens), given.GetValue(rounds),
            [.. given.GetValue(settings)!.Select(setting => $"--{setting}")], cancellationToken));
        return command;
    }

    private static async Task RunAsync(string model, string dtype, int lines, int tokens, int rounds, string[] settings, CancellationToken cancellationToken)
    {
        var isFolder = Directory.Exists(model);
        var folder = isFolder ? Path.GetFullPath(model) : ModelShape.Parse(model).WriteFolder();
        try
        {
            LlmEngine? engine = null;
            await using var host = await BenchmarkHost.StartAsync(() => engine = BenchmarkHost.Load(folder, dtype), settings, cancellationToken);
            // Until the runtime has compiled for good what a line calls.
            await AloneAsync(engine!, lines: 64, tokens: 16, -1);
            await BatchAsync(host, engine!, lines: 512, tokens: 8, -2, cancellationToken);

            // Each batch between two runs alone, so that a machine that grows slower or faster favours neither.
            var (alone, batch, ratios) = (new List<FullEngine>(), new List<FullEngine>(), new List<(double Plain, double Discounted, double PerProcessor)>());
            alone.Add(await MeasureAsync("alone", 0, round => AloneAsync(engine!, lines, tokens, round)));
            for (var round = 1; round <= rounds; round++)
            {
                batch.Add(await MeasureAsync("as a batch", (2 * round) - 1, number => BatchAsync(host, engine!, lines, tokens, number, cancellationToken)));
                alone.Add(await MeasureAsync("alone", 2 * round, number => AloneAsync(engine!, lines, tokens, number)));
                var (beside, way) = (alone[^2] + alone[^1], batch[^1]);
                var plain = way.TokensPerSecond / beside.TokensPerSecond;
                ratios.Add((plain, plain / (1 - way.EmulatorShare), way.TokensPerProcessorSecond / beside.TokensPerProcessorSecond));
            }

            Write("as a batch over alone", ratios.Select(ratio => ratio.Plain));
            Write("without the share that the storage emulator takes of the processors", ratios.Select(ratio => ratio.Discounted));
            Write("tokens a second of this process's processor time", ratios.Select(ratio => ratio.PerProcessor));

            async Task<FullEngine> MeasureAsync(string name, int round, Func<int, Task> run)
            {
                var full = await FullEngine.MeasureAsync(engine!, (long)lines * tokens, () => run(round));
                var (taken, share) = (full.Processor, (Func<TimeSpan, double>)full.ShareOf);
                Console.Out.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name,-11} {full.TokensPerSecond,6:F0} tokens/s, {full.Rows:F1} rows; of the processors engine {share(taken.Engine):P1}, rest of the process {share(taken.Rest):P1}, emulator {share(taken.Emulator):P1}; {full.MicrosecondsOf(taken.Engine):F0} + {full.MicrosecondsOf(taken.Rest):F0} + {full.MicrosecondsOf(taken.Emulator):F0} µs a token"));
                return full;
            }
        }
        finally
        {
            if (!isFolder)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static void Write(string name, IEnumerable<double> ratios)
    {
        double[] sorted = [.. ratios.Order()];
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {sorted[sorted.Length / 2]:P1} (median of {sorted.Length} rounds; {sorted[0]:P1} to {sorted[^1]:P1})"));
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

    private static async Task BatchAsync(BenchmarkHost host, LlmEngine engine, int lines, int tokens, int round, CancellationToken cancellationToken)
    {
        var file = await host.UploadAsync(stream => WriteAsync(stream, engine, lines, tokens, round), cancellationToken);
        await host.CompletedAsync(await host.CreateAsync(file, 0, cancellationToken), TimeSpan.FromSeconds(1), cancellationToken);
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

    /// <summary>Tokens that no other prompt begins with, so that none is remembered.</summary>
    private static int[] Prompt(LlmEngine engine, int round, int line)
    {
        var random = new Random((round * 100_000) + line);
        return [.. Enumerable.Range(0, PromptTokens).Select(_ => random.Next(engine.Model.VocabularySize))];
    }

    private static Option<int> Count(string name, int standard) => new(name) { DefaultValueFactory = _ => standard };
}
