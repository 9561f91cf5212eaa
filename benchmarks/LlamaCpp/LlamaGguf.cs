using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Benchmarks.LlamaCpp;

/// <summary>Names and metadata of Llama and its relatives in llama.cpp.</summary>
internal sealed class LlamaGguf
{
    private readonly ModelConfig _config;
    private readonly GgufWriter _gguf;
    private readonly RopeGguf _rope;
    private readonly string _architecture;
    private readonly int _heads, _kvHeads, _headDim, _layers;
    private readonly bool[] _windowed; // by layer

    public LlamaGguf(ModelConfig config, GgufWriter gguf)
    {
        (_config, _gguf) = (config, gguf);
        (_heads, _layers) = (config.Int("num_attention_heads"), config.Int("num_hidden_layers"));
        (_kvHeads, _headDim) = (config.Int("num_key_value_heads", _heads), config.Int("head_dim", config.Int("hidden_size") / _heads));
        _windowed = Windowed(config, _layers);
        _rope = new RopeGguf(config, _headDim);
        // Where llama.cpp gives an architecture fewer settings than the family's config has, another one of the same arithmetic stands in.
        _architecture = config.ModelType switch
        {
            "gemma2" => "gemma2",
            "gemma3_text" => "gemma3",
            _ when Array.Exists(_windowed, w => w) => "granite_swa",
            "llama" or "mistral" => _rope.Kind == "yarn" ? "mistral3" : "llama",
            var family => family,
        };
    }

    private bool IsGemma => _config.ModelType is "gemma2" or "gemma3_text";

    public IEnumerable<(string Name, Tensor Tensor)> Convert(Dictionary<string, Tensor> tensors)
    {
        AddMetadata();
        var rope = _rope.Add(_gguf, _architecture);
        var parts = tensors.Where(t => !t.Key.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal)).SelectMany(t => Parts(t.Key, t.Value));
        var sinks = _architecture == "granite_swa" ? Enumerable.Range(0, _layers).Select(i => ($"blk.{i}.attn_sinks.weight", full(_heads, -1e30f))) : [];
        return parts.Concat(rope).Concat(sinks); // a sink of -1e30 takes no weight
    }

    private void AddMetadata()
    {
        _gguf.AddMetadata("general.architecture", _architecture);
        Number("context_length", _config.Int("max_position_embeddings", 2048));
        Number("embedding_length", _config.Int("hidden_size"));
        Number("block_count", _layers);
        Number("feed_forward_length", _config.Int("intermediate_size"));
        Number("attention.head_count", _heads);
        Number("attention.head_count_kv", _kvHeads);
        Number("attention.key_length", _headDim);
        Number("attention.value_length", _headDim);
        Number("vocab_size", _config.Int("vocab_size"));
        Real("attention.layer_norm_rms_epsilon", _config.Float("rms_norm_eps", 1e-6f));
        if (Array.Exists(_windowed, w => w))
        {
            Number("attention.sliding_window", _config.Int("sliding_window"));
            _gguf.AddMetadata($"{_architecture}.attention.sliding_window_pattern", _windowed);
        }
        if (_architecture == "granite_swa")
        {
            Real("logit_scale", 1);
        }
        if (_config.Find("attn_logit_softcapping") is not null)
        {
            Real("attn_logit_softcapping", _config.Float("attn_logit_softcapping", 0));
        }
        if (_config.Find("final_logit_softcapping") is not null)
        {
            Real("final_logit_softcapping", _config.Float("final_logit_softcapping", 0));
        }
    }

    private IEnumerable<(string, Tensor)> Parts(string name, Tensor tensor)
    {
        var parts = name["model.".Length..].Split('.');
        if (parts[0] != "layers")
        {
            yield return name switch
            {
                "model.embed_tokens.weight" => ("token_embd.weight", tensor),
                "model.norm.weight" => ("output_norm.weight", IsGemma ? tensor + 1 : tensor),
                _ => ("output.weight", tensor),
            };
            yield break;
        }
        var (part, kind) = (parts[^2], parts[^1]);
        var (q, kv) = (_heads * _headDim, _kvHeads * _headDim);
        if (part == "qkv_proj" && _architecture == "granite_swa")
        {
            var split = tensor.split([q, kv, kv]);
            yield return Layer("attn_q", Interleaved(split[0], _heads));
            yield return Layer("attn_k", Interleaved(split[1], _kvHeads));
            yield return Layer("attn_v", split[2]);
        }
        else if (part == "gate_up_proj" && _architecture == "granite_swa")
        {
            var split = tensor.chunk(2, 0);
            yield return Layer("ffn_gate", split[0]);
            yield return Layer("ffn_up", split[1]);
        }
        else
        {
            yield return Layer(Names(part), part switch
            {
                "q_proj" => Interleaved(_config.ModelType == "gemma2" ? tensor * QueryScale : tensor, _heads),
                "k_proj" => Interleaved(tensor, _kvHeads),
                "q_norm" when IsGemma => (tensor + 1) * QueryScale,
                _ when IsGemma && part.EndsWith("norm", StringComparison.Ordinal) => tensor + 1,
                _ => tensor,
            });
        }

        (string, Tensor) Layer(string part, Tensor data) => ($"blk.{parts[1]}.{part}.{kind}", data);
    }

    private string Names(string part) => part switch
    {
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" => IsGemma ? "post_attention_norm" : "ffn_norm",
        "pre_feedforward_layernorm" => "ffn_norm",
        "post_feedforward_layernorm" => "post_ffw_norm",
        "q_proj" => "attn_q",
        "k_proj" => "attn_k",
        "v_proj" => "attn_v",
        "o_proj" => "attn_output",
        "qkv_proj" => "attn_qkv",
        "q_norm" => "attn_q_norm",
        "k_norm" => "attn_k_norm",
        "gate_proj" => "ffn_gate",
        "up_proj" or "gate_up_proj" => "ffn_up",
        "down_proj" => "ffn_down",
        _ => throw new InvalidDataException($"'{part}' is no part of a layer"),
    };

    // llama.cpp scales Gemma's queries by 1 / sqrt(head_dim), the config by 1 / sqrt(query_pre_attn_scalar).
    private double QueryScale => Math.Sqrt(_headDim / _config.Float("query_pre_attn_scalar", _headDim));

    // Some architectures turn neighbouring dimensions, as the papers do; Hugging Face's checkpoints turn i with i + head_dim / 2.
    private Tensor Interleaved(Tensor rows, int heads) => _architecture is "llama" or "mistral3" or "granite_swa"
        ? rows.view([heads, 2, _headDim / 2, .. rows.shape[1..]]).transpose(1, 2).reshape(rows.shape)
        : rows;

    private static bool[] Windowed(ModelConfig config, int layers)
    {
        var layer = Enumerable.Range(0, layers);
        if (config.Find("sliding_window") is null || config.ModelType.StartsWith("qwen", StringComparison.Ordinal) && !config.Bool("use_sliding_window", false))
        {
            return new bool[layers];
        }
        return (config.Find("layer_types"), config.ModelType) switch
        {
            ({ } types, _) => types.EnumerateArray().Select(t => t.GetString() == "sliding_attention").ToArray(),
            (_, "gemma2") => layer.Select(i => i % 2 == 0).ToArray(),
            (_, "gemma3_text") => layer.Select(i => (i + 1) % config.Int("sliding_window_pattern", 6) != 0).ToArray(),
            (_, "qwen2" or "qwen3") => layer.Select(i => i >= config.Int("max_window_layers")).ToArray(),
            _ => layer.Select(_ => true).ToArray(),
        };
    }

    private void Number(string key, int value) => _gguf.AddMetadata($"{_architecture}.{key}", (uint)value);

    private void Real(string key, float value) => _gguf.AddMetadata($"{_architecture}.{key}", value);
}
