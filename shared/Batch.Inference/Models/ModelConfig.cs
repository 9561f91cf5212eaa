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
        "_attn_implementation_autoset", "_name_or_path", "architectures", "attention_dropout", "attn_pdrop", "auto_map", "cache_implementation", "chunk_size_feed_forward", "dtype",
        "embd_pdrop", "finetuning_task", "gradient_checkpointing", "id2label", "initializer_range", "is_decoder", "is_llama_config", "label2id", "model_name", "model_type", "n_ctx", "num_labels",
        "output_attentions", "output_hidden_states", "output_past", "prefix", "pretraining_tp", "problem_type", "reorder_and_upcast_attn", "resid_pdrop", "return_dict",
        "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj", "task_specific_params", "tf_legacy_loss", "tie_word_embeddings",
        "tokenizer_class", "torch_dtype", "torchscript", "transformers.js_config", "transformers_version", "unsloth_fixed", "unsloth_version", "use_bfloat16", "use_cache",
        // tokens and generation: generation_config.json and the request decide
        "bad_words_ids", "begin_suppress_tokens", "bos_token_id", "decoder_start_token_id", "diversity_penalty", "do_sample", "early_stopping", "encoder_no_repeat_ngram_size",
        "eos_token_id", "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id", "length_penalty", "mask_token_id", "max_length", "min_length",
        "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences", "output_scores", "pad_token_id", "remove_invalid_values", "repetition_penalty",
        "return_dict_in_generate", "sep_token_id", "suppress_tokens", "temperature", "top_k", "top_p", "typical_p", "unk_token_id",
    ];

    // Neutral as long as they are false or empty.
    private static readonly HashSet<string> NeutralWhenOff = ["add_cross_attention", "cross_attention_hidden_size", "is_encoder_decoder", "pruned_heads", "tie_encoder_decoder", "use_bidirectional_attention"];

    // What arrays and tensors are made by, before a weight of the file could contradict.
    private static readonly Dictionary<string, (int Least, int Most)> Sizes = new()
    {
        ["num_hidden_layers"] = (0, 10_000),
        ["n_layer"] = (0, 10_000),
        ["num_attention_heads"] = (1, 100_000),
        ["n_head"] = (1, 100_000),
        ["hidden_size"] = (1, 1 << 24),
        ["n_embd"] = (1, 1 << 24),
        ["head_dim"] = (1, 1 << 20),
        ["max_position_embeddings"] = (1, int.MaxValue),
        ["n_positions"] = (1, int.MaxValue),
    };

    private readonly JsonElement _root;
    private readonly HashSet<string> _read = [];

    private readonly int _longest;

    private ModelConfig(string path, JsonElement root, string? family, int longest)
    {
        (Path, _root, _longest) = (path, root, longest);
        ModelType = family ?? Text("model_type") ?? throw new InvalidDataException($"{Path}: model_type is missing");
    }

    /// <summary>The file, and the section in it.</summary>
    public string Path { get; }

    /// <summary>The family: gpt2, llama, …</summary>
    public string ModelType { get; }

    /// <param name="longest">Tokens of the longest text that will be served; 0 leaves it to the model.</param>
    public static ModelConfig Load(string folder, int longest = 0)
    {
        var path = System.IO.Path.Combine(folder, "config.json");
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{folder} is no Hugging Face model folder: it holds no config.json", path);
        }
        try
        {
            using var json = JsonText.Parse(File.ReadAllBytes(path));
            return json.RootElement.ValueKind == JsonValueKind.Object
                ? new ModelConfig(path, json.RootElement.Clone(), null, longest)
                : throw new InvalidDataException($"{path} holds {json.RootElement.ValueKind}, an object is expected");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path} is not JSON: {e.Message}", e);
        }
    }

    /// <summary>A context length within that of the longest text that will be served.</summary>
    public int Limited(int context) => _longest > 0 ? Math.Min(context, _longest) : context;

    /// <summary>An object inside, read like the whole; null when absent.</summary>
    public ModelConfig? Section(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } inside => new ModelConfig($"{Path}: {name}", inside, ModelType, _longest),
        { } other => throw new InvalidDataException($"{Path}: {name} is {other}, an object is expected"),
    };

    public int Int(string name) => Find(name) is { } v ? AsInt(name, v) : throw new InvalidDataException($"{Path}: {name} is missing");

    public int Int(string name, int otherwise) => Find(name) is { } v ? AsInt(name, v) : otherwise;

    public float Float(string name) => Find(name) is { } v ? AsFloat(name, v) : throw new InvalidDataException($"{Path}: {name} is missing");

    public float Float(string name, float otherwise) => Find(name) is { } v ? AsFloat(name, v) : otherwise;

    /// <summary>A list of that many numbers.</summary>
    public float[] Floats(string name, int count) => Find(name) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() == count
        ? list.EnumerateArray().Select(v => AsFloat(name, v)).ToArray()
        : throw new InvalidDataException($"{Path}: {name} is {Find(name)?.ToString() ?? "missing"}, a list of {count} numbers is expected");

    /// <summary>Of a field that JSON null switches off; <paramref name="otherwise"/> where it is absent.</summary>
    public float? FloatOrNone(string name, float? otherwise) => Find(name) is { } v ? AsFloat(name, v) : _root.TryGetProperty(name, out _) ? null : otherwise;

    /// <inheritdoc cref="FloatOrNone"/>
    public int? IntOrNone(string name, int? otherwise) => Find(name) is { } v ? AsInt(name, v) : _root.TryGetProperty(name, out _) ? null : otherwise;

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

    /// <summary>num_key_value_heads, a divisor of the heads.</summary>
    public int KeyValueHeads(int heads, int otherwise)
    {
        var kvHeads = Int("num_key_value_heads", otherwise);
        return kvHeads > 0 && heads % kvHeads == 0 ? kvHeads : throw new InvalidDataException($"{Path}: num_attention_heads {heads} is no multiple of num_key_value_heads {kvHeads}");
    }

    /// <summary>sliding_window, of layers that have one; JSON null: none has.</summary>
    public int? SlidingWindow(int? otherwise) => IntOrNone("sliding_window", otherwise) switch
    {
        < 1 and var window => throw new InvalidDataException($"{Path}: sliding_window is {window}, at least 1 is expected"),
        var window => window,
    };

    /// <summary>The window of each layer: of those that layer_types calls sliding or, where it is absent, that the family's rule names.</summary>
    /// <param name="window">null: no layer has one.</param>
    public int?[] Windows(int layers, int? window, Func<int, bool> slides)
    {
        if (Find("layer_types") is not { } types)
        {
            return Enumerable.Range(0, layers).Select(layer => slides(layer) ? window : null).ToArray();
        }
        if (types.ValueKind != JsonValueKind.Array || types.GetArrayLength() != layers)
        {
            throw new InvalidDataException($"{Path}: layer_types is {types}, a list for {layers} layers is expected");
        }
        return types.EnumerateArray().Select(type => type.ToString() switch
        {
            "sliding_attention" => window,
            "full_attention" => (int?)null,
            var other => throw new NotSupportedException($"{Path}: layer_types holds '{other}'; only full_attention and sliding_attention are supported"),
        }).ToArray();
    }

    /// <summary>Refuses what the family neither read nor knows as neutral, so that no setting is half-obeyed.</summary>
    public void EnsureAllKnown()
    {
        foreach (var field in _root.EnumerateObject().Where(f => f.Value.ValueKind != JsonValueKind.Null))
        {
            var off = NeutralWhenOff.Contains(field.Name) && field.Value.GetRawText() is "false" or "{}" or "[]";
            if (!off && !_read.Contains(field.Name) && !Neutral.Contains(field.Name))
            {
                throw new NotSupportedException($"{Path}: {field.Name} = {field.Value} is not supported for {ModelType}");
            }
        }
    }

    private float AsFloat(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number ? value.GetSingle() : throw new InvalidDataException($"{Path}: {name} is {value}, a number is expected");

    private int AsInt(string name, JsonElement value)
    {
        if (!value.TryGetInt32Safe(out var number))
        {
            throw new InvalidDataException($"{Path}: {name} is {value}, a whole number is expected");
        }
        return !Sizes.TryGetValue(name, out var size) || (number >= size.Least && number <= size.Most) ? number
            : throw new InvalidDataException($"{Path}: {name} is {number}, from {size.Least} to {size.Most} is expected");
    }
}

file static class JsonElementExtensions
{
    public static bool TryGetInt32Safe(this JsonElement value, out int number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out number);
    }
}
