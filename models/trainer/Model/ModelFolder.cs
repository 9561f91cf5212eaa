using System.Text.Json;
using System.Text.Json.Serialization;
using Batch.ModelTrainer.Tokenizer;
using static TorchSharp.torch;

namespace Batch.ModelTrainer.Model;

/// <summary>Writes and reads a model as a Hugging Face folder: config.json, model.safetensors in bfloat16, the tokenizer, the generation defaults.</summary>
internal static class ModelFolder
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
    };

    public static void Write(string folder, LlamaModel model, Vocabulary vocabulary)
    {
        Directory.CreateDirectory(folder);
        WriteJson("config.json", ConfigJson(model.Config));
        WriteJson("generation_config.json", GenerationJson());
        WriteJson("tokenizer_config.json", TokenizerConfigJson(model.Config));
        TokenizerJson.Write(Path.Combine(folder, "tokenizer.json"), vocabulary);
        using var scope = NewDisposeScope();
        var weights = model.Weights.ToDictionary(entry => entry.Key, entry => entry.Value.detach().to(ScalarType.BFloat16));
        SafetensorsFile.Write(Path.Combine(folder, "model.safetensors"), weights, new Dictionary<string, string> { ["format"] = "pt" });

        void WriteJson(string name, object value) => File.WriteAllText(Path.Combine(folder, name), JsonSerializer.Serialize(value, Json) + "\n");
    }

    public static (LlamaModel Model, Vocabulary Vocabulary) Read(string folder)
    {
        var config = JsonSerializer.Deserialize<LlamaConfig>(File.ReadAllText(Path.Combine(folder, "config.json")), Json)!;
        var (tensors, _) = SafetensorsFile.Read(Path.Combine(folder, "model.safetensors"));
        var weights = new Dictionary<string, Tensor>();
        foreach (var (name, shape) in config.Tensors())
        {
            if (!tensors.Remove(name, out var tensor) || !tensor.shape.SequenceEqual(shape))
            {
                throw new InvalidDataException($"{folder}: tensor '{name}' is absent or not [{string.Join(", ", shape)}]");
            }
            weights[name] = tensor.to(ScalarType.Float32).DetachFromDisposeScope();
        }
        if (tensors.Count > 0)
        {
            throw new InvalidDataException($"{folder}: tensors that the config has no place for: {string.Join(", ", tensors.Keys)}");
        }
        return (new LlamaModel(config, weights, ScalarType.Float32), TokenizerJson.Read(Path.Combine(folder, "tokenizer.json")));
    }

    private static Dictionary<string, object?> ConfigJson(LlamaConfig config) => new()
    {
        ["architectures"] = new[] { "LlamaForCausalLM" },
        ["attention_bias"] = false,
        ["attention_dropout"] = 0.0,
        ["bos_token_id"] = Vocabulary.EndOfText,
        ["eos_token_id"] = Vocabulary.EndOfText,
        ["head_dim"] = config.HeadDim,
        ["hidden_act"] = "silu",
        ["hidden_size"] = config.HiddenSize,
        ["initializer_range"] = 0.02,
        ["intermediate_size"] = config.IntermediateSize,
        ["max_position_embeddings"] = config.MaxPositionEmbeddings,
        ["mlp_bias"] = false,
        ["model_type"] = "llama",
        ["num_attention_heads"] = config.NumAttentionHeads,
        ["num_hidden_layers"] = config.NumHiddenLayers,
        ["num_key_value_heads"] = config.NumKeyValueHeads,
        ["pretraining_tp"] = 1,
        ["rms_norm_eps"] = config.RmsNormEps,
        ["rope_scaling"] = null,
        ["rope_theta"] = config.RopeTheta,
        ["tie_word_embeddings"] = true,
        ["torch_dtype"] = "bfloat16",
        ["use_cache"] = true,
        ["vocab_size"] = config.VocabSize,
    };

    private static Dictionary<string, object?> GenerationJson() => new()
    {
        ["bos_token_id"] = Vocabulary.EndOfText,
        ["eos_token_id"] = Vocabulary.EndOfText,
        ["do_sample"] = true,
        ["temperature"] = 0.7,
        ["top_p"] = 0.9,
        ["repetition_penalty"] = 1.05,
    };

    private static Dictionary<string, object?> TokenizerConfigJson(LlamaConfig config) => new()
    {
        ["tokenizer_class"] = "PreTrainedTokenizerFast",
        ["add_bos_token"] = false,
        ["add_eos_token"] = false,
        ["bos_token"] = Vocabulary.EndOfTextToken,
        ["eos_token"] = Vocabulary.EndOfTextToken,
        ["unk_token"] = null,
        ["pad_token"] = Vocabulary.EndOfTextToken,
        ["clean_up_tokenization_spaces"] = false,
        // It was trained on no conversations: the messages become paragraphs, and the model goes on with the last.
        ["chat_template"] = """{% for message in messages %}{{ message['content'] }}{% if not loop.last %}{{ '\n\n' }}{% endif %}{% endfor %}""",
        ["model_max_length"] = config.MaxPositionEmbeddings,
        ["added_tokens_decoder"] = new Dictionary<string, object?>
        {
            ["0"] = new Dictionary<string, object?>
            {
                ["content"] = Vocabulary.EndOfTextToken,
                ["lstrip"] = false,
                ["normalized"] = false,
                ["rstrip"] = false,
                ["single_word"] = false,
                ["special"] = true,
            },
        },
    };
}
