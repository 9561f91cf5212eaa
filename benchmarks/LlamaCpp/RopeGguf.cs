using System.Text.Json;
using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Benchmarks.LlamaCpp;

/// <summary>Rotary positions as llama.cpp is told of them: bases and scaling in the metadata, factors by dimension as tensors.</summary>
internal sealed class RopeGguf
{
    private readonly ModelConfig _config;
    private readonly JsonElement? _global, _local; // of layers that see all, and of sliding ones
    private readonly int _dimensions;

    public RopeGguf(ModelConfig config, int headDim)
    {
        _config = config;
        var parameters = config.Find("rope_parameters") ?? config.Find("rope_scaling");
        _global = Property(parameters, "full_attention") ?? parameters;
        _local = Property(parameters, "sliding_attention");
        _dimensions = (int)(headDim * (Value("partial_rotary_factor") ?? config.Float("partial_rotary_factor", 1)));
        Kind = (Property(_global, "rope_type") ?? Property(_global, "type"))?.GetString() ?? "default";
    }

    public string Kind { get; }

    private double Theta => Value("rope_theta") ?? _config.Float("rope_theta", _config.ModelType == "gemma3_text" ? 1e6f : 1e4f);

    public IEnumerable<(string Name, Tensor Tensor)> Add(GgufWriter gguf, string architecture)
    {
        void Real(string key, double value) => gguf.AddMetadata($"{architecture}.rope.{key}", (float)value);
        gguf.AddMetadata($"{architecture}.rope.dimension_count", (uint)_dimensions);
        Real("freq_base", Theta);
        if (architecture == "gemma3")
        {
            Real("freq_base_swa", Property(_local, "rope_theta")?.GetDouble() ?? _config.Float("rope_local_base_freq", 10_000));
        }
        switch (Kind)
        {
            case "linear" or "yarn":
                gguf.AddMetadata($"{architecture}.rope.scaling.type", Kind);
                Real("scaling.factor", Value("factor")!.Value);
                if (Kind == "yarn")
                {
                    gguf.AddMetadata($"{architecture}.rope.scaling.original_context_length", (uint)Original);
                    Real("scaling.yarn_beta_fast", Value("beta_fast") ?? 32);
                    Real("scaling.yarn_beta_slow", Value("beta_slow") ?? 1);
                    // llama.cpp multiplies by the paper's 0.1 ln(factor) + 1 itself.
                    Real("scaling.attn_factor", Value("attention_factor") is { } a ? a / (0.1 * Math.Log(Value("factor")!.Value) + 1) : 1);
                }
                return [];
            case "llama3":
                return [("rope_freqs.weight", Llama3Factors())];
            case "longrope":
                gguf.AddMetadata($"{architecture}.rope.scaling.type", "longrope");
                gguf.AddMetadata($"{architecture}.rope.scaling.original_context_length", (uint)Original);
                var stretch = _config.Int("max_position_embeddings") / (double)Original;
                Real("scaling.attn_factor", Value("attention_factor") ?? (stretch > 1 ? Math.Sqrt(1 + Math.Log(stretch) / Math.Log(Original)) : 1));
                return [("rope_factors_long.weight", Factors("long_factor")), ("rope_factors_short.weight", Factors("short_factor"))];
            case "default" or "dynamic": // which is the default one within the original context
                return [];
            default:
                throw new NotSupportedException($"rope kind '{Kind}' has no counterpart in llama.cpp");
        }
    }

    private int Original => (int)(Value("original_max_position_embeddings") ?? _config.Int("original_max_position_embeddings", _config.Int("max_position_embeddings")));

    // Long waves are stretched by the factor, short ones left, those between are mixed (Llama 3.1).
    private Tensor Llama3Factors()
    {
        var (factor, low, high) = (Value("factor")!.Value, Value("low_freq_factor")!.Value, Value("high_freq_factor")!.Value);
        return tensor(Enumerable.Range(0, _dimensions / 2).Select(i =>
        {
            var turns = Original / (2 * Math.PI * Math.Pow(Theta, 2.0 * i / _dimensions)); // over the original context
            var smooth = Math.Clamp((turns - low) / (high - low), 0, 1);
            return (float)(1 / ((1 - smooth) / factor + smooth));
        }).ToArray());
    }

    private Tensor Factors(string name) => tensor(Property(_global, name)!.Value.EnumerateArray().Select(v => v.GetSingle()).ToArray());

    private double? Value(string name) => Property(_global, name)?.GetDouble();

    private static JsonElement? Property(JsonElement? of, string name) =>
        of is { ValueKind: JsonValueKind.Object } o && o.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
