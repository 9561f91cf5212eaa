using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Benchmarks.LlamaCpp;

/// <summary>BERT's names and metadata in llama.cpp, which has the encoder but not the head of the masked language model.</summary>
internal static class BertGguf
{
    private static readonly Dictionary<string, string> Names = new()
    {
        ["attention.self.query"] = "attn_q",
        ["attention.self.key"] = "attn_k",
        ["attention.self.value"] = "attn_v",
        ["attention.output.dense"] = "attn_output",
        ["attention.output.LayerNorm"] = "attn_output_norm",
        ["intermediate.dense"] = "ffn_up",
        ["output.dense"] = "ffn_down",
        ["output.LayerNorm"] = "layer_output_norm",
    };

    public static IEnumerable<(string Name, Tensor Tensor)> Convert(ModelConfig config, Dictionary<string, Tensor> tensors, GgufWriter gguf)
    {
        gguf.AddMetadata("general.architecture", "bert");
        gguf.AddMetadata("bert.context_length", (uint)config.Int("max_position_embeddings"));
        gguf.AddMetadata("bert.embedding_length", (uint)config.Int("hidden_size"));
        gguf.AddMetadata("bert.block_count", (uint)config.Int("num_hidden_layers"));
        gguf.AddMetadata("bert.feed_forward_length", (uint)config.Int("intermediate_size"));
        gguf.AddMetadata("bert.attention.head_count", (uint)config.Int("num_attention_heads"));
        gguf.AddMetadata("bert.attention.layer_norm_epsilon", config.Float("layer_norm_eps", 1e-12f));
        gguf.AddMetadata("bert.attention.causal", false);
        gguf.AddMetadata("bert.vocab_size", (uint)config.Int("vocab_size"));
        gguf.AddMetadata("tokenizer.ggml.token_type_count", (uint)config.Int("type_vocab_size"));
        foreach (var (name, tensor) in tensors.Where(pair => pair.Key.StartsWith("bert.", StringComparison.Ordinal)))
        {
            var parts = name.Split('.');
            yield return (parts[1] == "encoder"
                ? $"blk.{parts[3]}.{Names[string.Join('.', parts[4..^1])]}.{parts[^1]}"
                : parts[2] switch
                {
                    "word_embeddings" => "token_embd.weight",
                    "position_embeddings" => "position_embd.weight",
                    "token_type_embeddings" => "token_types.weight",
                    _ => $"token_embd_norm.{parts[^1]}",
                }, tensor);
        }
    }
}
