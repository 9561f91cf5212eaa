using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Benchmarks.References;

/// <summary>
/// Hugging Face folders with weights drawn from a seed: the same on every machine, since a value depends on seed, tensor name and place alone, by integer
/// arithmetic and exact conversions.
/// </summary>
internal static class RandomCheckpoint
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>Writes config.json and model.safetensors.</summary>
    public static void Write(string folder, string config, ulong seed)
    {
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        var shapes = Shapes(folder);
        var header = new Dictionary<string, object>();
        long at = 0;
        foreach (var (name, shape) in shapes)
        {
            var length = 4 * shape.Aggregate(1L, (a, b) => a * b);
            header[name] = new { dtype = "F32", shape, data_offsets = new[] { at, at + length } };
            at += length;
        }
        using var file = new BinaryWriter(File.Create(Path.Combine(folder, "model.safetensors")));
        var json = JsonSerializer.SerializeToUtf8Bytes(header);
        file.Write((long)json.Length);
        file.Write(json);
        foreach (var (name, shape) in shapes)
        {
            file.Write(MemoryMarshal.AsBytes(Values(name, shape, seed, config).AsSpan()));
        }
    }

    /// <summary>Names and shapes that the family of the folder's config.json loads.</summary>
    public static IReadOnlyDictionary<string, long[]> Shapes(string folder)
    {
        using var scope = NewDisposeScope();
        using var weights = new MetaWeights("lm_head.weight");
        var config = ModelConfig.Load(folder);
        using IDisposable model = config.ModelType == Bert.ModelType ? new Bert(config, weights) : CausalLM.Create(config, weights);
        return weights.Shapes;
    }

    /// <summary>Matrices wide enough for peaked, varied outputs; norms around what leaves a row's size alone; small biases.</summary>
    public static float[] Values(string name, long[] shape, ulong seed, string config)
    {
        var isNorm = name.Contains("norm", StringComparison.OrdinalIgnoreCase) || name.Contains("ln_", StringComparison.Ordinal);
        var center = isNorm && name.EndsWith("weight", StringComparison.Ordinal) && !config.Contains("gemma", StringComparison.Ordinal) ? 1f : 0f; // Gemma's norms add 1
        var width = shape.Length == 1 ? 0.2f : 0.5f;
        var state = seed * Golden + Encoding.UTF8.GetBytes(name).Aggregate(14695981039346656037ul, (hash, b) => (hash ^ b) * 1099511628211);
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = center + width * ((Mix(state + (ulong)(i + 1) * Golden) >> 40) / (float)(1 << 23) - 1);
        }
        return values;
    }

    // SplitMix64 (Steele, Lea and Flood 2014)
    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
