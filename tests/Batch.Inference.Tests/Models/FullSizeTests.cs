using Batch.Benchmarks.References;
using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Models;

/// <summary>
/// Full-size models by their published config.json, on the meta device: every tensor of the published files is asked for by its name and shape, and nothing
/// else. The parameter counts are those that the publishers state (total_size of model.safetensors.index.json in bfloat16 / 2, or the model card).
/// </summary>
public class FullSizeTests
{
    [Fact]
    public void Gpt2Xl() => AssertTakes(
        """
        {"activation_function":"gelu_new","architectures":["GPT2LMHeadModel"],"attn_pdrop":0.1,"bos_token_id":50256,"embd_pdrop":0.1,"eos_token_id":50256,"initializer_range":0.02,
        "layer_norm_epsilon":1e-05,"model_type":"gpt2","n_ctx":1024,"n_embd":1600,"n_head":25,"n_layer":48,"n_positions":1024,"output_past":true,"resid_pdrop":0.1,
        "summary_activation":null,"summary_first_dropout":0.1,"summary_proj_to_labels":true,"summary_type":"cls_index","summary_use_proj":true,
        "task_specific_params":{"text-generation":{"do_sample":true,"max_length":50}},"vocab_size":50257}
        """,
        parameters: 1_557_611_200, context: 1024, layers: 48, new()
        {
            ["wte.weight"] = [50257, 1600],
            ["wpe.weight"] = [1024, 1600],
            ["h.*.ln_1.weight"] = [1600],
            ["h.*.ln_1.bias"] = [1600],
            ["h.*.attn.c_attn.weight"] = [1600, 4800],
            ["h.*.attn.c_attn.bias"] = [4800],
            ["h.*.attn.c_proj.weight"] = [1600, 1600],
            ["h.*.attn.c_proj.bias"] = [1600],
            ["h.*.ln_2.weight"] = [1600],
            ["h.*.ln_2.bias"] = [1600],
            ["h.*.mlp.c_fc.weight"] = [1600, 6400],
            ["h.*.mlp.c_fc.bias"] = [6400],
            ["h.*.mlp.c_proj.weight"] = [6400, 1600],
            ["h.*.mlp.c_proj.bias"] = [1600],
            ["ln_f.weight"] = [1600],
            ["ln_f.bias"] = [1600],
        }, "transformer.wte.weight"); // the file's names have no prefix

    [Fact]
    public void Llama3_8B() => AssertTakes(
        """
        {"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":128000,"eos_token_id":128001,"hidden_act":"silu","hidden_size":4096,
        "initializer_range":0.02,"intermediate_size":14336,"max_position_embeddings":8192,"model_type":"llama","num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,
        "pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":500000.0,"tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.40.0.dev0",
        "use_cache":true,"vocab_size":128256}
        """,
        parameters: 8_030_261_248, context: 8192, layers: 32, LlamaLike(vocabulary: 128256, hidden: 4096, q: 4096, kv: 1024, inner: 14336));

    [Fact]
    public void Llama32_1B() => AssertTakes(
        """
        {"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":128000,"eos_token_id":128001,"head_dim":64,"hidden_act":"silu",
        "hidden_size":2048,"initializer_range":0.02,"intermediate_size":8192,"max_position_embeddings":131072,"mlp_bias":false,"model_type":"llama","num_attention_heads":32,
        "num_hidden_layers":16,"num_key_value_heads":8,"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,"low_freq_factor":1.0,
        "original_max_position_embeddings":8192,"rope_type":"llama3"},"rope_theta":500000.0,"tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.45.0.dev0",
        "use_cache":true,"vocab_size":128256}
        """,
        parameters: 1_235_814_400, context: 131_072, layers: 16, LlamaLike(vocabulary: 128256, hidden: 2048, q: 2048, kv: 512, inner: 8192, tied: true));

    [Fact]
    public void Mistral7B() => AssertTakes(
        """
        {"architectures":["MistralForCausalLM"],"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu","hidden_size":4096,"initializer_range":0.02,"intermediate_size":14336,
        "max_position_embeddings":32768,"model_type":"mistral","num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_theta":10000.0,
        "sliding_window":4096,"tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.34.0.dev0","use_cache":true,"vocab_size":32000}
        """,
        parameters: 7_241_732_096, context: 32_768, layers: 32, LlamaLike(vocabulary: 32000, hidden: 4096, q: 4096, kv: 1024, inner: 14336));

    [Fact]
    public void Qwen25_7B() => AssertTakes(
        """
        {"architectures":["Qwen2ForCausalLM"],"attention_dropout":0.0,"bos_token_id":151643,"eos_token_id":151643,"hidden_act":"silu","hidden_size":3584,"initializer_range":0.02,
        "intermediate_size":18944,"max_position_embeddings":131072,"max_window_layers":28,"model_type":"qwen2","num_attention_heads":28,"num_hidden_layers":28,"num_key_value_heads":4,
        "rms_norm_eps":1e-06,"rope_theta":1000000.0,"sliding_window":131072,"tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.40.1","use_cache":true,
        "use_mrope":false,"use_sliding_window":false,"vocab_size":152064}
        """,
        parameters: 7_615_616_512, context: 131_072, layers: 28, LlamaLike(vocabulary: 152064, hidden: 3584, q: 3584, kv: 512, inner: 18944, biases: true));

    [Fact]
    public void Qwen3_8B()
    {
        var tensors = LlamaLike(vocabulary: 151936, hidden: 4096, q: 4096, kv: 1024, inner: 12288);
        tensors["model.layers.*.self_attn.q_norm.weight"] = tensors["model.layers.*.self_attn.k_norm.weight"] = [128];
        AssertTakes(
            """
            {"architectures":["Qwen3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":151643,"eos_token_id":151645,"head_dim":128,"hidden_act":"silu",
            "hidden_size":4096,"initializer_range":0.02,"intermediate_size":12288,"max_position_embeddings":40960,"max_window_layers":36,"model_type":"qwen3","num_attention_heads":32,
            "num_hidden_layers":36,"num_key_value_heads":8,"rms_norm_eps":1e-06,"rope_scaling":null,"rope_theta":1000000,"sliding_window":null,"tie_word_embeddings":false,
            "torch_dtype":"bfloat16","transformers_version":"4.51.0","use_cache":true,"use_sliding_window":false,"vocab_size":151936}
            """,
            parameters: 8_190_735_360, context: 40_960, layers: 36, tensors);
    }

    [Fact]
    public void Phi3Mini4K() => AssertTakes(
        """
        {"_name_or_path":"Phi-3-mini-4k-instruct","architectures":["Phi3ForCausalLM"],"attention_dropout":0.0,"auto_map":{"AutoConfig":"configuration_phi3.Phi3Config",
        "AutoModelForCausalLM":"modeling_phi3.Phi3ForCausalLM"},"bos_token_id":1,"embd_pdrop":0.0,"eos_token_id":32000,"hidden_act":"silu","hidden_size":3072,"initializer_range":0.02,
        "intermediate_size":8192,"max_position_embeddings":4096,"model_type":"phi3","num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":32,
        "original_max_position_embeddings":4096,"pad_token_id":32000,"resid_pdrop":0.0,"rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":10000.0,"sliding_window":2047,
        "tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.39.3","use_cache":true,"vocab_size":32064}
        """,
        parameters: 3_821_079_552, context: 4096, layers: 32, new()
        {
            ["model.embed_tokens.weight"] = [32064, 3072],
            ["model.layers.*.input_layernorm.weight"] = [3072],
            ["model.layers.*.self_attn.qkv_proj.weight"] = [9216, 3072],
            ["model.layers.*.self_attn.o_proj.weight"] = [3072, 3072],
            ["model.layers.*.post_attention_layernorm.weight"] = [3072],
            ["model.layers.*.mlp.gate_up_proj.weight"] = [16384, 3072],
            ["model.layers.*.mlp.down_proj.weight"] = [3072, 8192],
            ["model.norm.weight"] = [3072],
            ["lm_head.weight"] = [32064, 3072],
        });

    [Fact]
    public void Gemma2_9B()
    {
        var tensors = LlamaLike(vocabulary: 256000, hidden: 3584, q: 4096, kv: 2048, inner: 14336, tied: true);
        tensors["model.layers.*.pre_feedforward_layernorm.weight"] = tensors["model.layers.*.post_feedforward_layernorm.weight"] = [3584];
        AssertTakes(
            """
            {"architectures":["Gemma2ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"attn_logit_softcapping":50.0,"bos_token_id":2,"cache_implementation":"hybrid",
            "eos_token_id":1,"final_logit_softcapping":30.0,"head_dim":256,"hidden_act":"gelu_pytorch_tanh","hidden_activation":"gelu_pytorch_tanh","hidden_size":3584,
            "initializer_range":0.02,"intermediate_size":14336,"max_position_embeddings":8192,"model_type":"gemma2","num_attention_heads":16,"num_hidden_layers":42,
            "num_key_value_heads":8,"pad_token_id":0,"query_pre_attn_scalar":256,"rms_norm_eps":1e-06,"rope_theta":10000.0,"sliding_window":4096,"sliding_window_size":4096,
            "torch_dtype":"float32","transformers_version":"4.42.0.dev0","use_cache":true,"vocab_size":256000}
            """,
            parameters: 9_241_705_984, context: 8192, layers: 42, tensors);
    }

    [Fact]
    public void Gemma3_4B_TextOfTheMultimodalFile()
    {
        var tensors = LlamaLike(vocabulary: 262208, hidden: 2560, q: 2048, kv: 1024, inner: 10240, tied: true);
        tensors["model.layers.*.pre_feedforward_layernorm.weight"] = tensors["model.layers.*.post_feedforward_layernorm.weight"] = [2560];
        tensors["model.layers.*.self_attn.q_norm.weight"] = tensors["model.layers.*.self_attn.k_norm.weight"] = [256];
        AssertTakes(
            """
            {"architectures":["Gemma3ForConditionalGeneration"],"boi_token_index":255999,"eoi_token_index":256000,"eos_token_id":[1,106],"image_token_index":262144,
            "initializer_range":0.02,"mm_tokens_per_image":256,"model_type":"gemma3","text_config":{"hidden_size":2560,"intermediate_size":10240,"model_type":"gemma3_text",
            "num_hidden_layers":34,"rope_scaling":{"factor":8.0,"rope_type":"linear"},"sliding_window":1024},"torch_dtype":"bfloat16","transformers_version":"4.50.0.dev0",
            "vision_config":{"hidden_size":1152,"image_size":896,"intermediate_size":4304,"model_type":"siglip_vision_model","num_attention_heads":16,"num_hidden_layers":27,
            "patch_size":14,"vision_use_head":false}}
            """,
            // 4,300,079,472 in all, of which 416,866,032 are the vision model's and 2,950,272 its projector's.
            parameters: 4_300_079_472 - 416_866_032 - 2_950_272, context: 131_072, layers: 34, tensors.ToDictionary(t => $"language_model.{t.Key}", t => t.Value));
    }

    // Names of Llama and its relatives; * stands for the layer.
    private static Dictionary<string, long[]> LlamaLike(long vocabulary, long hidden, long q, long kv, long inner, bool tied = false, bool biases = false)
    {
        const string Layer = "model.layers.*.";
        var tensors = new Dictionary<string, long[]>
        {
            ["model.embed_tokens.weight"] = [vocabulary, hidden],
            [$"{Layer}input_layernorm.weight"] = [hidden],
            [$"{Layer}self_attn.q_proj.weight"] = [q, hidden],
            [$"{Layer}self_attn.k_proj.weight"] = [kv, hidden],
            [$"{Layer}self_attn.v_proj.weight"] = [kv, hidden],
            [$"{Layer}self_attn.o_proj.weight"] = [hidden, q],
            [$"{Layer}post_attention_layernorm.weight"] = [hidden],
            [$"{Layer}mlp.gate_proj.weight"] = [inner, hidden],
            [$"{Layer}mlp.up_proj.weight"] = [inner, hidden],
            [$"{Layer}mlp.down_proj.weight"] = [hidden, inner],
            ["model.norm.weight"] = [hidden],
        };
        if (!tied)
        {
            tensors["lm_head.weight"] = [vocabulary, hidden];
        }
        if (biases)
        {
            (tensors[$"{Layer}self_attn.q_proj.bias"], tensors[$"{Layer}self_attn.k_proj.bias"], tensors[$"{Layer}self_attn.v_proj.bias"]) = ([q], [kv], [kv]);
        }
        return tensors;
    }

    private static void AssertTakes(string config, long parameters, int context, int layers, Dictionary<string, long[]> tensors, string absent = "")
    {
        using var folder = new TestFolder().With("config.json", config);
        using var scope = NewDisposeScope();
        using var weights = new MetaWeights(absent);
        using var model = CausalLM.Create(ModelConfig.Load(folder.Path), weights);

        var expected = tensors.SelectMany(t => t.Key.Contains('*', StringComparison.Ordinal)
            ? Enumerable.Range(0, layers).Select(i => (Name: t.Key.Replace("*", $"{i}", StringComparison.Ordinal), Shape: t.Value))
            : [(t.Key, t.Value)]);
        Assert.Equal(expected.Select(t => $"{t.Name} [{string.Join(", ", t.Shape)}]").Order(), weights.Shapes.Select(t => $"{t.Key} [{string.Join(", ", t.Value)}]").Order());
        Assert.Equal(parameters, weights.Shapes.Values.Sum(shape => shape.Aggregate(1L, (a, b) => a * b)));
        Assert.Equal((layers, context), (model.Layers, model.ContextLength));
    }
}
