using System.Text.Json;
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
        var (fields, shapes) = family == "gpt2" ? Gpt2() : Llama();
        config?.Invoke(fields);
        tensors?.Invoke(shapes);
        File.WriteAllText(System.IO.Path.Combine(model.Path, "config.json"), JsonSerializer.Serialize(fields));
        model.WriteWeights(shapes, dtype, shards);
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

    private static (Dictionary<string, object?> Config, Dictionary<string, long[]> Shapes) Gpt2()
    {
        const long H = 32;
        var shapes = new Dictionary<string, long[]> { ["transformer.wte.weight"] = [Vocabulary, H], ["transformer.wpe.weight"] = [Context, H], ["transformer.ln_f.weight"] = [H], ["transformer.ln_f.bias"] = [H] };
        for (var i = 0; i < 2; i++)
        {
            var h = $"transformer.h.{i}.";
            (shapes[h + "ln_1.weight"], shapes[h + "ln_1.bias"], shapes[h + "ln_2.weight"], shapes[h + "ln_2.bias"]) = ([H], [H], [H], [H]);
            (shapes[h + "attn.c_attn.weight"], shapes[h + "attn.c_attn.bias"]) = ([H, 3 * H], [3 * H]);
            (shapes[h + "attn.c_proj.weight"], shapes[h + "attn.c_proj.bias"]) = ([H, H], [H]);
            (shapes[h + "mlp.c_fc.weight"], shapes[h + "mlp.c_fc.bias"]) = ([H, 4 * H], [4 * H]);
            (shapes[h + "mlp.c_proj.weight"], shapes[h + "mlp.c_proj.bias"]) = ([4 * H, H], [H]);
        }
        return (new() { ["model_type"] = "gpt2", ["n_embd"] = H, ["n_head"] = 4, ["n_layer"] = 2, ["n_positions"] = Context, ["vocab_size"] = Vocabulary, ["activation_function"] = "gelu_new" }, shapes);
    }

    private static (Dictionary<string, object?> Config, Dictionary<string, long[]> Shapes) Llama()
    {
        const long H = 32, Kv = 16, I = 64; // widths of 32 and more, as published models have: libtorch rounds what is left over otherwise
        var shapes = new Dictionary<string, long[]> { ["model.embed_tokens.weight"] = [Vocabulary, H], ["model.norm.weight"] = [H], ["lm_head.weight"] = [Vocabulary, H] };
        for (var i = 0; i < 2; i++)
        {
            var layer = $"model.layers.{i}.";
            (shapes[layer + "input_layernorm.weight"], shapes[layer + "post_attention_layernorm.weight"]) = ([H], [H]);
            (shapes[layer + "self_attn.q_proj.weight"], shapes[layer + "self_attn.o_proj.weight"]) = ([H, H], [H, H]);
            (shapes[layer + "self_attn.k_proj.weight"], shapes[layer + "self_attn.v_proj.weight"]) = ([Kv, H], [Kv, H]);
            (shapes[layer + "mlp.gate_proj.weight"], shapes[layer + "mlp.up_proj.weight"], shapes[layer + "mlp.down_proj.weight"]) = ([I, H], [I, H], [H, I]);
        }
        return (new()
        {
            ["model_type"] = "llama",
            ["hidden_size"] = H,
            ["intermediate_size"] = I,
            ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 4,
            ["num_key_value_heads"] = 2,
            ["vocab_size"] = Vocabulary,
            ["max_position_embeddings"] = Context,
            ["rms_norm_eps"] = 1e-5,
            ["rope_theta"] = 10000.0,
            ["hidden_act"] = "silu",
            ["tie_word_embeddings"] = false,
        }, shapes);
    }

    private void WriteWeights(Dictionary<string, long[]> shapes, string dtype, int shards)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1234);
        var type = dtype switch { "BF16" => ScalarType.BFloat16, "F16" => ScalarType.Float16, _ => ScalarType.Float32 };
        // Norm weights around 1, the rest wide enough for peaked, varied outputs.
        var tensors = shapes.ToDictionary(p => p.Key, p =>
            (randn(p.Value, generator: generator) * (p.Value.Length == 1 ? 0.1 : 0.3) + (p.Key.Contains("norm", StringComparison.Ordinal) || p.Key.Contains("ln_", StringComparison.Ordinal) ? 1 : 0)).to(type));
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
