using System.Text.Json;

namespace Batch.Inference.Models;

/// <summary>
/// config.json as a family reads it: a field is obeyed, or known to change nothing, or refused by name.
/// Every message names the file, the field, what was seen and what is supported.
/// </summary>
internal sealed class ModelConfig
{
    // Of training, generation, bookkeeping or the reference implementation: they do not change what a forward pass computes.
    private static readonly HashSet<string> Neutral =
    [
        "_name_or_path", "_attn_implementation_autoset", "architectures", "attention_dropout", "attn_pdrop", "auto_map", "bos_token_id", "chunk_size_feed_forward", "dtype", "embd_pdrop",
        "eos_token_id", "gradient_checkpointing", "id2label", "initializer_range", "label2id", "max_length", "model_type", "n_ctx", "output_attentions",
        "output_hidden_states", "output_past", "pad_token_id", "pretraining_tp", "reorder_and_upcast_attn", "resid_pdrop", "return_dict", "summary_activation",
        "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj", "task_specific_params", "torch_dtype", "transformers_version",
        "transformers.js_config", "unk_token_id", "use_cache", "tie_word_embeddings",
    ];

    private readonly JsonElement _root;
    private readonly HashSet<string> _read = [];

    private ModelConfig(string path, JsonElement root) => (Path, _root) = (path, root);

    public string Path { get; }

    /// <summary>The family: gpt2, llama, …</summary>
    public string ModelType => Text("model_type") ?? throw new InvalidDataException($"{Path}: model_type is missing");

    public static ModelConfig Load(string folder)
    {
        var path = System.IO.Path.Combine(folder, "config.json");
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{folder} is no Hugging Face model folder: it holds no config.json", path);
        }
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            return new ModelConfig(path, json.RootElement.Clone());
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path} is not JSON: {e.Message}", e);
        }
    }

    public int Int(string name) => Find(name) is { } v ? AsInt(name, v) : throw new InvalidDataException($"{Path}: {name} is missing");

    public int Int(string name, int otherwise) => Find(name) is { } v ? AsInt(name, v) : otherwise;

    public float Float(string name, float otherwise) => Find(name) is { } v
        ? v.ValueKind == JsonValueKind.Number ? v.GetSingle() : throw new InvalidDataException($"{Path}: {name} is {v}, a number is expected")
        : otherwise;

    public bool Bool(string name, bool otherwise) => Find(name) is { } v
        ? v.ValueKind is JsonValueKind.True or JsonValueKind.False ? v.GetBoolean() : throw new InvalidDataException($"{Path}: {name} is {v}, true or false is expected")
        : otherwise;

    public string? Text(string name) => Find(name) is { } v
        ? v.ValueKind == JsonValueKind.String ? v.GetString() : throw new InvalidDataException($"{Path}: {name} is {v}, a string is expected")
        : null;

    /// <summary>The field, null when absent or JSON null.</summary>
    public JsonElement? Find(string name)
    {
        _read.Add(name);
        return _root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    /// <summary>Refuses a field that is supported at one value only.</summary>
    public void Require(string name, string supported)
    {
        if (Find(name) is { } value && value.ToString() is var seen && !string.Equals(seen, supported, StringComparison.OrdinalIgnoreCase))
        {
            throw new NotSupportedException($"{Path}: {name} = {seen} is not supported for {ModelType}, only {supported}");
        }
    }

    /// <summary>Refuses what the family neither read nor knows as neutral, so that no setting is half-obeyed.</summary>
    public void EnsureAllKnown()
    {
        foreach (var field in _root.EnumerateObject().Where(f => f.Value.ValueKind != JsonValueKind.Null))
        {
            if (!_read.Contains(field.Name) && !Neutral.Contains(field.Name))
            {
                throw new NotSupportedException($"{Path}: {field.Name} = {field.Value} is not supported for {ModelType}");
            }
        }
    }

    private int AsInt(string name, JsonElement value) => value.TryGetInt32Safe(out var number)
        ? number
        : throw new InvalidDataException($"{Path}: {name} is {value}, a whole number is expected");
}

file static class JsonElementExtensions
{
    public static bool TryGetInt32Safe(this JsonElement value, out int number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out number);
    }
}
