using System.CommandLine;
using Batch.Benchmarks.LlamaCpp;
using Batch.Inference.Engine;
using Batch.Inference.Layers;
using Batch.Inference.Models;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Benchmarks.References;

/// <summary>Whether a model folder of the user's own gives what llama.cpp gives: logits of random tokens, then the most likely tokens, one by one.</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "a Hugging Face folder" };
        var tokens = new Option<int>("--tokens") { Description = "of the prompt, drawn at random", DefaultValueFactory = _ => 64 };
        var greedy = new Option<int>("--greedy") { Description = "tokens to generate", DefaultValueFactory = _ => 32 };
        var dtype = new Option<string>("--dtype") { Description = "float32 or bfloat16; llama.cpp computes in float32", DefaultValueFactory = _ => "float32" };
        var command = new Command("compare", "Compares a model with llama.cpp on the same weights") { folder, tokens, greedy, dtype };
        command.SetAction(result => Compare(result.GetValue(folder)!, result.GetValue(tokens), result.GetValue(greedy), result.GetValue(dtype)!));
        return command;
    }

    private static void Compare(string folder, int tokens, int greedy, string dtype)
    {
        Devices.Resolve("cpu");
        var context = (tokens + greedy + 255) / 256 * 256; // llama.cpp's steps
        var work = Directory.CreateTempSubdirectory("compare-").FullName;
        try
        {
            var gguf = Path.Combine(work, "model.gguf");
            GgufCheckpoint.Write(folder, gguf);
            using var peer = LlamaCppModel.Load(gguf, new LlamaCppOptions(Sequences: 1, context, Threads: 2, Exact: true));
            using var scope = NewDisposeScope();
            using var mode = inference_mode();
            using var weights = new WeightLoader(folder, Devices.ResolveDType(dtype, CPU), CPU);
            using var model = CausalLM.Create(ModelConfig.Load(folder, context), weights);
            using var cache = new KvCache(model, context, Devices.ResolveDType(dtype, CPU), CPU);

            var random = new Random(1);
            var ids = Enumerable.Range(0, tokens).Select(_ => random.Next(model.VocabularySize)).ToList();
            peer.Decode(ids.Select((id, i) => new LlamaCppRow(id, i, 0, Logits: true)).ToArray());
            var ours = Forward(model, cache, ids, from: 0);
            var (largest, worst) = (0f, 0f);
            for (var row = 0; row < tokens; row++)
            {
                var theirs = peer.Logits(row);
                for (var i = 0; i < theirs.Length; i++)
                {
                    (largest, worst) = (Math.Max(largest, Math.Abs(theirs[i])), Math.Max(worst, Math.Abs(theirs[i] - ours[row * theirs.Length + i])));
                }
            }
            Console.WriteLine($"{tokens} random tokens: logits differ by {worst / largest:0.0e0} of the largest, {largest:0.0}");

            var (same, next) = (0, Reference.Largest(peer.Logits(tokens - 1)));
            while (same < greedy && Reference.Largest(ours.AsSpan(^model.VocabularySize..)) == next)
            {
                same++;
                ids.Add(next);
                peer.Decode([new LlamaCppRow(next, ids.Count - 1, 0, Logits: true)]);
                ours = Forward(model, cache, ids, from: ids.Count - 1);
                next = Reference.Largest(peer.Logits(0));
            }
            Console.WriteLine($"then {same} of {greedy} most likely tokens are the same (llama.cpp {LlamaCppPackage.Release}, float32; this engine {dtype})");
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    // Logits of the rows from a place on, all in one.
    private static float[] Forward(CausalLM model, KvCache cache, List<int> ids, int from)
    {
        using var scope = NewDisposeScope();
        var slots = Enumerable.Range(0, ids.Count).Select(i => (long)i).ToArray();
        var attention = new PagedAttention(cache, slots[from..], [new AttentionSpan(0, ids.Count - from, slots)]);
        var hidden = model.Forward(tensor(ids.Skip(from).Select(id => (long)id).ToArray()), tensor(slots[from..]), attention);
        return model.Head(hidden).to(ScalarType.Float32).contiguous().data<float>().ToArray();
    }
}
