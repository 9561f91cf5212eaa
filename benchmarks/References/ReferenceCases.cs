using System.Text.Json;

namespace Batch.Benchmarks.References;

/// <summary>A checkpoint to compare on: config.json, and how long its prompt is.</summary>
internal sealed record ReferenceCase(string Name, object Config, int PromptLength = 48);

/// <summary>One checkpoint for each family and for each setting that changes its arithmetic.</summary>
internal static class ReferenceCases
{
    public const int Vocabulary = 128;

    public static IEnumerable<ReferenceCase> All => [
        new("gpt2", Gpt2()),
        new("gpt2-inverse-layer", Gpt2(new { scale_attn_by_inverse_layer_idx = true, n_inner = 48 })),
        new("llama", Llama()),
    ];

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
