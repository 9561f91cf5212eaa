using System.CommandLine;
using System.Text.Json;
using Batch.Benchmarks.LlamaCpp;

namespace Batch.Benchmarks.References;

/// <summary>Writes what llama.cpp computes for each of <see cref="ReferenceCases"/>, for the engine's tests to compare with.</summary>
internal static class ReferenceCommand
{
    private const ulong Seed = 20;
    private const int GreedyTokens = 24;

    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "where the files go", DefaultValueFactory = _ => "tests/Batch.Inference.Tests/References" };
        var command = new Command("reference", "Computes the reference logits of every model family with llama.cpp") { folder };
        command.SetAction(result => WriteAll(result.GetValue(folder)!));
        return command;
    }

    private static void WriteAll(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var checkpoint in ReferenceCases.All)
        {
            Compute(checkpoint).Save(Path.Combine(folder, $"{checkpoint.Name}.json"));
            Console.WriteLine(checkpoint.Name);
        }
        ComputeHiddenStates(ReferenceCases.Bert).Save(Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "HiddenStates")).FullName, "bert.json"));
    }

    // Of an encoder: what the last layer gives for each token, in the place of logits.
    private static Reference ComputeHiddenStates(ReferenceCase checkpoint) => With(checkpoint, hiddenStates: true, (model, config, prompt) =>
    {
        model.Decode([.. prompt.Select((token, i) => new LlamaCppRow(token, i, 0, Logits: true))]);
        var positions = Enumerable.Range(0, prompt.Length).ToArray();
        return new Reference(Source, config, Seed, prompt, positions, [.. positions.Select(p => model.HiddenState(p).ToArray())], []);
    });

    private static string Source => $"llama.cpp {LlamaCppPackage.Release} (node-llama-cpp {LlamaCppPackage.PackageVersion})";

    private static Reference Compute(ReferenceCase checkpoint) => With(checkpoint, hiddenStates: false, (model, config, prompt) =>
    {
        var positions = Enumerable.Range(1, 4).Select(i => i * prompt.Length / 4 - 1).ToArray();
        model.Decode([.. prompt.Select((token, i) => new LlamaCppRow(token, i, 0, positions.Contains(i)))]);
        var logits = positions.Select(p => model.Logits(p).ToArray()).ToArray();
        return new Reference(Source, config, Seed, prompt, positions, logits, Greedy(model, logits[^1], prompt.Length));
    });

    private static Reference With(ReferenceCase checkpoint, bool hiddenStates, Func<LlamaCppModel, JsonElement, int[], Reference> compute)
    {
        var folder = Directory.CreateTempSubdirectory("reference-").FullName;
        try
        {
            var config = JsonSerializer.SerializeToElement(checkpoint.Config);
            RandomCheckpoint.Write(folder, config.GetRawText(), Seed);
            var gguf = Path.Combine(folder, "model.gguf");
            GgufCheckpoint.Write(folder, gguf);
            using var model = LlamaCppModel.Load(gguf, new LlamaCppOptions(Sequences: 1, ContextLength: 128, Threads: 1, Exact: true, HiddenStates: hiddenStates));
            var random = new Random(1);
            var prompt = Enumerable.Range(0, checkpoint.PromptLength).Select(_ => random.Next(ReferenceCases.Vocabulary)).ToArray();
            return compute(model, config, prompt);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int[] Greedy(LlamaCppModel model, ReadOnlySpan<float> logits, int position)
    {
        var tokens = new int[GreedyTokens];
        for (var i = 0; i < tokens.Length; i++)
        {
            tokens[i] = Reference.Largest(logits);
            model.Decode([new LlamaCppRow(tokens[i], position + i, 0, Logits: true)]);
            logits = model.Logits(0);
        }
        return tokens;
    }
}
