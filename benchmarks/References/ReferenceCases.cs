using System.Text.Json;

namespace Batch.Benchmarks.References;

/// <summary>A checkpoint to compare on: config.json, and how long its prompt is.</summary>
internal sealed record ReferenceCase(string Name, object Config, int PromptLength = 48);

/// <summary>One checkpoint for each family and for each setting that changes its arithmetic.</summary>
internal static class ReferenceCases
{
    public const int Vocabulary = 128;

    private static readonly double[] Short = [1.0, 1.1, 1.2, 1.3];
    private static readonly double[] Long = [1.0, 2.5, 6.0, 9.0];
    private static readonly string[] LayerTypes = ["full_attention", "sliding_attention", "sliding_attention"];

    public static IEnumerable<ReferenceCase> All => [
        new("gpt2", Gpt2()),
        new("gpt2-inverse-layer", Gpt2(new { scale_attn_by_inverse_layer_idx = true, n_inner = 48 })),
        new("llama", Llama()),
        new("llama-tied-biases", Llama(new { tie_word_embeddings = true, attention_bias = true, mlp_bias = true, head_dim = 12 })),
        new("llama-rope-linear", Llama(new { rope_scaling = new { type = "linear", factor = 2.5 } })),
        new("llama-rope-dynamic", Llama(new { rope_scaling = new { type = "dynamic", factor = 2.0 } })),
        new("llama-rope-llama3", Llama(new { rope_theta = 500.0, rope_scaling = Llama3 })),
        new("llama-rope-parameters", Llama(new { rope_theta = (double?)null, rope_parameters = Merge(Llama3, new { rope_theta = 500.0 }) })),
        new("llama-rope-yarn", Llama(new { rope_scaling = new { rope_type = "yarn", factor = 4.0, original_max_position_embeddings = 32 } })),
        new("llama-rope-yarn-set", Llama(new { rope_scaling = new { rope_type = "yarn", factor = 3.0, original_max_position_embeddings = 40, beta_fast = 6.0, beta_slow = 0.5, attention_factor = 1.3 } })),
        new("llama-rope-longrope", Llama(new { rope_scaling = LongRope, original_max_position_embeddings = 32 })),
        new("mistral", Mistral(new { sliding_window = (int?)null })),
        new("mistral-window", Mistral(new { sliding_window = 9, head_dim = 12 })),
        new("qwen2", Qwen2()),
        new("qwen2-tied-window", Qwen2(new { tie_word_embeddings = true, use_sliding_window = true, max_window_layers = 1 })),
        new("qwen2-yarn", Qwen2(new { rope_scaling = new { type = "yarn", factor = 4.0, original_max_position_embeddings = 32 } })),
        new("qwen3", Llama(new { model_type = "qwen3", head_dim = 12, rope_theta = 1e6, rms_norm_eps = 1e-6 })),
        new("phi3", Phi3()),
        new("phi3-window", Phi3(new { sliding_window = 9 })),
        new("phi3-partial-longrope", Phi3(new { partial_rotary_factor = 0.75, num_key_value_heads = 2, rope_scaling = new { type = "longrope", short_factor = Short[..3], long_factor = Long[..3] }, original_max_position_embeddings = 32 })),
        new("phi3-longrope-short", Phi3(new { rope_scaling = LongRope, max_position_embeddings = 256, original_max_position_embeddings = 256 })),
        new("gemma2", Gemma(new { model_type = "gemma2", sliding_window = 9, attn_logit_softcapping = 2.0, final_logit_softcapping = 10.0 })),
        new("gemma3", Gemma(new { model_type = "gemma3_text", sliding_window = 9, sliding_window_pattern = 3, rope_theta = 1e5, rope_local_base_freq = 1e3, rope_scaling = new { rope_type = "linear", factor = 8.0 } })),
        new("gemma3-layer-types", Gemma(new
        {
            model_type = "gemma3_text",
            sliding_window = 9,
            layer_types = LayerTypes,
            rope_theta = (double?)null,
            rope_parameters = new { full_attention = new { rope_type = "linear", factor = 4.0, rope_theta = 1e5 }, sliding_attention = new { rope_type = "default", rope_theta = 2e3 } },
        })),
    ];

    private static object Llama3 => new { rope_type = "llama3", factor = 8.0, low_freq_factor = 1.0, high_freq_factor = 4.0, original_max_position_embeddings = 64 };

    private static object LongRope => new { type = "longrope", short_factor = Short, long_factor = Long };

    /// <summary>An encoder: its reference is the last layer's output, not logits.</summary>
    public static ReferenceCase Bert => new("bert", new
    {
        model_type = "bert",
        hidden_size = 32,
        intermediate_size = 56,
        num_hidden_layers = 2,
        num_attention_heads = 4,
        vocab_size = Vocabulary,
        type_vocab_size = 2,
        max_position_embeddings = 64,
        layer_norm_eps = 1e-12,
        hidden_act = "gelu",
    }, PromptLength: 40);

    private static Dictionary<string, object?> Gpt2(object? with = null) => Merge(new
    {
        model_type = "gpt2",
        n_embd = 32,
        n_head = 4,
        n_layer = 2,
        n_positions = 128,
        vocab_size = Vocabulary,
        activation_function = "gelu_new",
        layer_norm_epsilon = 1e-5,
    }, with);

    private static Dictionary<string, object?> Llama(object? with = null) => Merge(new
    {
        model_type = "llama",
        hidden_size = 32,
        intermediate_size = 56,
        num_hidden_layers = 2,
        num_attention_heads = 4,
        num_key_value_heads = 2,
        vocab_size = Vocabulary,
        max_position_embeddings = 128,
        rms_norm_eps = 1e-5,
        rope_theta = 10000.0,
        hidden_act = "silu",
        tie_word_embeddings = false,
    }, with);

    private static Dictionary<string, object?> Mistral(object with) => Merge(Llama(new { model_type = "mistral" }), with);

    private static Dictionary<string, object?> Qwen2(object? with = null) =>
        Merge(Llama(new { model_type = "qwen2", rope_theta = 1e6, use_sliding_window = false, sliding_window = 9, max_window_layers = 2 }), with);

    private static Dictionary<string, object?> Phi3(object? with = null) =>
        Merge(Llama(new { model_type = "phi3", num_key_value_heads = 4, sliding_window = (int?)null, original_max_position_embeddings = 128 }), with);

    private static Dictionary<string, object?> Gemma(object with) => Merge(Llama(new
    {
        hidden_act = (string?)null,
        hidden_activation = "gelu_pytorch_tanh",
        tie_word_embeddings = true,
        num_hidden_layers = 3,
        head_dim = 12,
        query_pre_attn_scalar = 10,
        rms_norm_eps = 1e-6,
    }), with);

    private static Dictionary<string, object?> Merge(object config, object? with)
    {
        var fields = JsonSerializer.SerializeToElement(config).Deserialize<Dictionary<string, object?>>()!;
        foreach (var field in with is null ? default : JsonSerializer.SerializeToElement(with).EnumerateObject())
        {
            fields[field.Name] = field.Value;
        }
        return fields;
    }
}
