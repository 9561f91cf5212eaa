using System.Text.Json;
using Batch.Benchmarks.References;
using Batch.Inference.Engine;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Engine;

/// <summary>Hugging Face folders with random weights drawn by a seed, written to a temporary place and removed with it.</summary>
internal sealed class TinyModel : IDisposable
{
    public const int Vocabulary = 260;
    public const int Context = 96;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("tiny-model-");

    public string Path => _folder.FullName;

    public static TinyModel Create(string family, string dtype = "F32", int shards = 1, Action<Dictionary<string, object?>>? config = null, Action<Dictionary<string, long[]>>? tensors = null)
    {
        var model = new TinyModel();
        var fields = Config(family);
        model.WriteConfig(fields);
        var shapes = RandomCheckpoint.Shapes(model.Path).ToDictionary();
        config?.Invoke(fields);
        tensors?.Invoke(shapes);
        model.WriteConfig(fields);
        model.WriteWeights(shapes, dtype, shards, normsAround: family.StartsWith("gemma", StringComparison.Ordinal) ? 0 : 1);
        return model;
    }

    public LlmEngine Engine(Action<EngineOptions>? configure = null)
    {
        var options = new EngineOptions { ModelPath = Path, ModelName = "tiny", Device = "cpu", Threads = 1 };
        configure?.Invoke(options);
        return new LlmEngine(ModelLoader.Load(options, new CharacterTokenizer(Vocabulary)), options, null);
    }

    public LoadedModel Load() => ModelLoader.Load(new EngineOptions { ModelPath = Path, Device = "cpu", Threads = 1 }, new CharacterTokenizer(Vocabulary));

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Families, each with the settings that make it different from the others.</summary>
    public static IEnumerable<string> Families => ["gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3_text"];

    private static Dictionary<string, object?> Config(string family)
    {
        if (family == "gpt2")
        {
            return new() { ["model_type"] = "gpt2", ["n_embd"] = 32, ["n_head"] = 4, ["n_layer"] = 2, ["n_positions"] = Context, ["vocab_size"] = Vocabulary, ["activation_function"] = "gelu_new" };
        }
        var config = new Dictionary<string, object?>
        {
            ["model_type"] = family,
            ["hidden_size"] = 32,
            ["intermediate_size"] = 56,
            ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 4,
            ["num_key_value_heads"] = 2,
            ["vocab_size"] = Vocabulary,
            ["max_position_embeddings"] = Context,
            ["rms_norm_eps"] = 1e-5,
            ["rope_theta"] = 10000.0,
            ["tie_word_embeddings"] = false,
        };
        config[family.StartsWith("gemma", StringComparison.Ordinal) ? "hidden_activation" : "hidden_act"] = family.StartsWith("gemma", StringComparison.Ordinal) ? "gelu_pytorch_tanh" : "silu";
        switch (family)
        {
            case "mistral":
                config["sliding_window"] = 7;
                break;
            case "qwen2":
                (config["use_sliding_window"], config["sliding_window"], config["max_window_layers"]) = (true, 7, 1);
                break;
            case "qwen3":
                config["head_dim"] = 12;
                break;
            case "phi3":
                config["partial_rotary_factor"] = 0.5;
                break;
            case "gemma2":
                (config["head_dim"], config["query_pre_attn_scalar"], config["sliding_window"]) = (12, 10, 7);
                break;
            case "gemma3_text":
                (config["head_dim"], config["query_pre_attn_scalar"], config["sliding_window"], config["sliding_window_pattern"]) = (12, 10, 7, 2);
                break;
        }
        return config;
    }

    private void WriteConfig(Dictionary<string, object?> fields) => File.WriteAllText(System.IO.Path.Combine(Path, "config.json"), JsonSerializer.Serialize(fields));

    private void WriteWeights(Dictionary<string, long[]> shapes, string dtype, int shards, int normsAround)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        var type = dtype switch { "BF16" => ScalarType.BFloat16, "F16" => ScalarType.Float16, _ => ScalarType.Float32 };
        // Norm weights around 1 (Gemma adds it), the rest wide enough for peaked, varied outputs.
        var tensors = shapes.ToDictionary(p => p.Key, p =>
            (randn(p.Value, generator: generator) * (p.Value.Length == 1 ? 0.1 : 0.3) + (p.Key.Contains("norm", StringComparison.Ordinal) || p.Key.Contains("ln_", StringComparison.Ordinal) ? normsAround : 0)).to(type));
        var map = new Dictionary<string, string>();
        for (var shard = 0; shard < shards; shard++)
        {
            var name = shards == 1 ? "model.safetensors" : $"model-{shard + 1:00000}-of-{shards:00000}.safetensors";
            var part = tensors.Where((_, i) => i % shards == shard).ToDictionary();
            Safetensors.Write(System.IO.Path.Combine(Path, name), part, dtype);
            part.Keys.ToList().ForEach(k => map[k] = name);
        }
        if (shards > 1)
        {
            File.WriteAllText(System.IO.Path.Combine(Path, "model.safetensors.index.json"), JsonSerializer.Serialize(new { weight_map = map }));
        }
    }
}

/// <summary>Writes the format that the loader reads: an own reading of its specification.</summary>
internal static class Safetensors
{
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors, string dtype)
    {
        var header = new Dictionary<string, object>();
        long at = 0;
        foreach (var (name, tensor) in tensors)
        {
            var length = tensor.bytes.Length;
            header[name] = new { dtype, shape = tensor.shape, data_offsets = new[] { at, at + length } };
            at += length;
        }
        var json = JsonSerializer.SerializeToUtf8Bytes(header);
        using var file = File.Create(path);
        file.Write(BitConverter.GetBytes((long)json.Length));
        file.Write(json);
        foreach (var tensor in tensors.Values)
        {
            file.Write(tensor.bytes);
        }
    }
}
