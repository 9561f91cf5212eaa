using System.Text.Json;
using Batch.Benchmarks.References;

namespace Batch.Benchmarks.Engine;

/// <summary>A model's size without its weights, which are drawn at random: speed does not depend on what they say.</summary>
/// <param name="Name">As the command line has it.</param>
/// <param name="MatrixParameters">Weights that every token is multiplied by, the head included.</param>
internal sealed record ModelShape(string Name, object Config, long MatrixParameters)
{
    public const int Vocabulary = 32_000; // of the Llama shapes

    public static IReadOnlyList<ModelShape> All { get; } =
    [
        new("gpt2", new { model_type = "gpt2", n_embd = 768, n_head = 12, n_layer = 12, n_positions = 1024, vocab_size = 50257, activation_function = "gelu_new" }, 12L * 12 * 768 * 768 + 50257L * 768),
        Llama("llama135m", hidden: 576, inner: 1536, layers: 30, heads: 9, kvHeads: 3, vocabulary: 49152),
        Llama("llama1b", hidden: 2048, inner: 5632, layers: 22, heads: 32, kvHeads: 4, vocabulary: Vocabulary),
    ];

    public static ModelShape Parse(string name) =>
        All.FirstOrDefault(s => s.Name == name) ?? throw new ArgumentException($"--shape is {string.Join(", ", All.Select(s => s.Name))}; was '{name}'");

    /// <summary>Measures shapes one after the other, each with its folder, which is deleted afterwards.</summary>
    public static async Task ForEachAsync(string[] names, Func<ModelShape, string, Task> measure)
    {
        foreach (var shape in names.Select(Parse))
        {
            var folder = shape.WriteFolder();
            try
            {
                await measure(shape, folder);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    /// <summary>Writes a Hugging Face folder of the shape into a temporary place; the caller deletes it.</summary>
    public string WriteFolder()
    {
        var folder = Directory.CreateTempSubdirectory($"batch-{Name}-").FullName;
        RandomCheckpoint.Write(folder, JsonSerializer.Serialize(Config), seed: 4);
        return folder;
    }

    private static ModelShape Llama(string name, int hidden, int inner, int layers, int heads, int kvHeads, int vocabulary)
    {
        var config = new
        {
            model_type = "llama",
            hidden_size = hidden,
            intermediate_size = inner,
            num_hidden_layers = layers,
            num_attention_heads = heads,
            num_key_value_heads = kvHeads,
            vocab_size = vocabulary,
            max_position_embeddings = 2048,
            rms_norm_eps = 1e-5,
            rope_theta = 10000.0,
            hidden_act = "silu",
            tie_word_embeddings = true,
        };
        var kv = hidden / heads * kvHeads;
        return new ModelShape(name, config, layers * (2L * hidden * hidden + 2L * hidden * kv + 3L * hidden * inner) + (long)vocabulary * hidden);
    }
}
