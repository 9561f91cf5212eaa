using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Benchmarks.LlamaCpp;

/// <summary>GPT-2's names and metadata in llama.cpp.</summary>
internal static class Gpt2Gguf
{
    public static IEnumerable<(string Name, Tensor Tensor)> Convert(ModelConfig config, Dictionary<string, Tensor> tensors, GgufWriter gguf)
    {
        var (hidden, heads) = (config.Int("n_embd"), config.Int("n_head"));
        gguf.AddMetadata("general.architecture", "gpt2");
        gguf.AddMetadata("gpt2.context_length", (uint)config.Int("n_positions"));
        gguf.AddMetadata("gpt2.embedding_length", (uint)hidden);
        gguf.AddMetadata("gpt2.block_count", (uint)config.Int("n_layer"));
        gguf.AddMetadata("gpt2.feed_forward_length", (uint)config.Int("n_inner", 4 * hidden));
        gguf.AddMetadata("gpt2.attention.head_count", (uint)heads);
        gguf.AddMetadata("gpt2.vocab_size", (uint)config.Int("vocab_size"));
        gguf.AddMetadata("gpt2.attention.layer_norm_epsilon", config.Float("layer_norm_epsilon", 1e-5f));
        foreach (var (name, tensor) in tensors)
        {
            if (name.EndsWith(".attn.bias", StringComparison.Ordinal) || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal))
            {
                continue; // causal masks in old files
            }
            var parts = name.Replace("transformer.", "", StringComparison.Ordinal).Split('.');
            if (parts[0] != "h")
            {
                yield return (parts[0] switch { "wte" => "token_embd.weight", "wpe" => "position_embd.weight", "lm_head" => "output.weight", _ => $"output_norm.{parts[1]}" }, tensor);
                continue;
            }
            var (layer, part, kind) = (parts[1], string.Join('.', parts[2..^1]), parts[^1]);
            var stored = tensor.dim() == 2 ? tensor.t() : tensor; // Conv1D is [in, out]
            if (part == "attn.c_attn")
            {
                stored.narrow(0, 0, hidden).mul_(ExtraScale(config, hidden / heads, int.Parse(layer, null)));
            }
            yield return ($"blk.{layer}.{Names[part]}.{kind}", stored);
        }
    }

    private static readonly Dictionary<string, string> Names = new()
    {
        ["ln_1"] = "attn_norm",
        ["attn.c_attn"] = "attn_qkv",
        ["attn.c_proj"] = "attn_output",
        ["ln_2"] = "ffn_norm",
        ["mlp.c_fc"] = "ffn_up",
        ["mlp.c_proj"] = "ffn_down",
    };

    // llama.cpp always scales by 1 / sqrt(head_dim): what the config says otherwise goes into the queries.
    private static double ExtraScale(ModelConfig config, int headDim, int layer) =>
        (config.Bool("scale_attn_weights", true) ? 1 : Math.Sqrt(headDim)) / (config.Bool("scale_attn_by_inverse_layer_idx", false) ? layer + 1 : 1);
}
