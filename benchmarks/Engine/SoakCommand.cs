using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Batch.Inference.Engine;
using Batch.Inference.Engine.StructuredOutput;
using Spectre.Console;

namespace Batch.Benchmarks.Engine;

/// <summary>Mixed requests for minutes or hours, at a given rate, and what the process holds each minute.</summary>
internal static class SoakCommand
{
    private const double Growth = 0.02; // of a steady process's memory, but 8 MiB of a small one's

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5); // a round during which the process was held up says nothing

    private sealed record Minute(int At, long Ended, long Tokens, long ResidentKib, long HeapKib, long Tensors, int BlocksHeld);

    public static Command Create()
    {
        var model = new Argument<string>("folder") { Description = "Hugging Face folder" };
        var minutes = new Option<int>("--minutes") { DefaultValueFactory = _ => 60 };
        var load = new Option<double>("--load") { Description = "share of the time in which requests run, 0 to 1", DefaultValueFactory = _ => 1 };
        var command = new Command("soak", "Mixed lengths, priorities, cancels, structured outputs, interventions, shared prefixes and guesses; what the process holds, minute by minute") { model, minutes, load };
        command.SetAction((result, cancellationToken) => RunAsync(result.GetValue(model)!, result.GetValue(minutes), result.GetValue(load), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string folder, int minutes, double load, CancellationToken cancellationToken)
    {
        var options = new EngineOptions { ModelPath = folder, Device = "cpu", Threads = 1, MaxSequences = 8, CacheTokens = 1024 }; // so little that sequences are preempted
        var loaded = ModelLoader.Load(options);
        await using var engine = new LlmEngine(loaded, options, null);
        var random = new Random(5);
        var (ended, tokens, rows) = (0L, 0L, new List<Minute>());
        var start = Stopwatch.GetTimestamp();
        Console.WriteLine("minute | requests | tokens | resident KiB | managed heap KiB | live tensors | cache blocks held");
        for (var round = 0; (rows.Count == 0 || rows[^1].At < minutes) && !cancellationToken.IsCancellationRequested; round++)
        {
            var began = Stopwatch.GetTimestamp();
            var written = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => WriteAsync(engine, Draw(engine, random, round * 12 + i), random.Next(8) == 0 ? random.Next(1, 20) : int.MaxValue)));
            (ended, tokens) = (ended + written.Length, tokens + written.Sum());
            var took = Stopwatch.GetElapsedTime(began);
            var pause = took * ((1 - load) / load);
            await Task.Delay(pause < LongestPause ? pause : LongestPause, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var minute = (int)Stopwatch.GetElapsedTime(start).TotalMinutes;
            if (rows.Count == 0 || minute > rows[^1].At)
            {
                rows.Add(Measure(minute, ended, tokens, loaded.Blocks.Blocks - loaded.Blocks.Free));
                var m = rows[^1];
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{m.At} | {m.Ended} | {m.Tokens} | {m.ResidentKib} | {m.HeapKib} | {m.Tensors} | {m.BlocksHeld}"));
            }
        }
        AnsiConsole.WriteLine($"{engine.Preemptions} preemptions, {engine.GuessedTokens} tokens guessed and {engine.ConfirmedTokens} of them confirmed");
        return Judge(rows);
    }

    private static GenerationRequest Draw(LlmEngine engine, Random random, int number)
    {
        // Half of the prompts begin with the same instruction; lengths as jobs have them.
        var shared = "Please write a few lines about our new hiking boots, for people who walk in the mountains in every season and carry what they need. ";
        string[] endings = ["Dear neighbours, the old bridge", "Why do cats purr?", "为什么要每天散步？", "The street musician earned six coins", "请为新款保温杯写一段介绍："];
        var text = (random.Next(2) == 0 ? shared : "") + endings[random.Next(endings.Length)] + (random.Next(3) == 0 ? $" {number}" : "");
        var sampling = new SamplingParams
        {
            MaxTokens = Math.Clamp((int)(-40 * Math.Log(1 - random.NextDouble())), 1, 300),
            Temperature = random.Next(4) == 0 ? 0 : 0.8f,
            TopP = 0.95f,
            TopK = random.Next(3) == 0 ? 40 : 0,
            RepetitionPenalty = random.Next(3) == 0 ? 1.1f : 1f,
            Logprobs = random.Next(6) == 0 ? 3 : null,
            Stop = random.Next(4) == 0 ? ["。", ". "] : [],
            StructuredOutputs = random.Next(6) switch
            {
                0 => new StructuredOutputParams { Regex = $"[a-z]{{3,{random.Next(4, 12)}}}( [a-z]{{2,8}}){{0,6}}" },
                1 => new StructuredOutputParams { Choice = ["boots", "cats", $"number {number}"] },
                _ => null,
            },
            Interventions = random.Next(8) == 0 ? [new(new() { Every = 12 }, [new() { Rollback = new() { Tokens = 4 } }], 3)] : null,
        };
        return new GenerationRequest($"{number}", engine.Tokenizer.Encode(text), sampling, Priority: random.Next(3));
    }

    // Leaves after so many updates.
    private static async Task<int> WriteAsync(LlmEngine engine, GenerationRequest request, int updates)
    {
        var last = 0;
        using var cancel = new CancellationTokenSource();
        await foreach (var update in engine.GenerateAsync(request, cancel.Token))
        {
            last = update.CompletionTokens;
            if (--updates == 0)
            {
                await cancel.CancelAsync();
            }
        }
        return last;
    }

    private static Minute Measure(int at, long ended, long tokens, int blocks)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return new Minute(at, ended, tokens, process.WorkingSet64 >> 10, GC.GetTotalMemory(forceFullCollection: true) >> 10, TorchSharp.torch.Tensor.TotalCount, blocks);
    }

    // The last quarter holds no more than the second: what the first still fills is caches and pools.
    private static int Judge(List<Minute> rows)
    {
        if (rows.Count < 8)
        {
            AnsiConsole.WriteLine("too short to say whether memory is steady: at least 8 minutes");
            return 0;
        }
        var quarter = rows.Count / 4;
        var (early, late) = (rows[quarter..(2 * quarter)], rows[^quarter..]);
        var (resident, heap) = (late.Average(m => m.ResidentKib) - early.Average(m => m.ResidentKib), late.Average(m => m.HeapKib) - early.Average(m => m.HeapKib));
        var allowed = Math.Max(8192, Growth * early.Average(m => m.ResidentKib));
        var steady = resident <= allowed && heap <= allowed / 4 && late.Max(m => m.Tensors) <= early.Max(m => m.Tensors) && late.All(m => m.BlocksHeld == 0);
        AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(steady ? "steady" : "NOT steady")}: from the second quarter to the last, resident memory changed by {resident:F0} KiB, the managed heap by {heap:F0} KiB"));
        return steady ? 0 : 1;
    }
}
