using Batch.Inference.Layers;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Models;

/// <summary>
/// Gemma 2 (Riviere et al. 2024): embeddings scaled by sqrt(hidden), norms of 1 + weight before and after each half, capped scores and logits, every other
/// layer over a window, GELU in its tanh form on the gate.
/// </summary>
internal sealed class Gemma2 : CausalLM
{
    private readonly int heads;
    private readonly float epsilon;
    private readonly float? softcap;
    private readonly Embedding embed_tokens;
    private readonly Tensor embed_scale, norm;
    private readonly Linear lm_head;
    private readonly RotaryEmbedding rotary;
    private readonly Block[] layers;

    public Gemma2(ModelConfig config, WeightLoader weights)
    {
        (heads, VocabularySize) = (config.Int("num_attention_heads", 8), config.Int("vocab_size", 256_000));
        (KeyValueHeads, HeadDim) = (config.KeyValueHeads(heads, otherwise: 4), config.Int("head_dim", 256));
        var (hidden, inner, count) = (config.Int("hidden_size", 2304), config.Int("intermediate_size", 9216), config.Int("num_hidden_layers", 26));
        epsilon = config.Float("rms_norm_eps", 1e-6f);
        config.Require("hidden_activation", "gelu_pytorch_tanh");
        config.Require("hidden_act", "gelu_pytorch_tanh"); // the older name
        var bias = config.Bool("attention_bias", false);
        softcap = config.FloatOrNone("final_logit_softcapping", 30f);
        var attends = new AttentionOptions(1f / MathF.Sqrt(config.Float("query_pre_attn_scalar", 256f)), null, config.FloatOrNone("attn_logit_softcapping", 50f));
        var window = config.SlidingWindow(4096);
        config.Require("sliding_window_size", $"{window}"); // the older name, which the files still have
        var windows = config.Windows(count, window, layer => layer % 2 == 0);
        var rope = RopeFrequencies.Read(config, HeadDim, config.Int("max_position_embeddings", 8192));
        ContextLength = config.Limited(rope.ContextLength);

        var (q, kv) = (heads * HeadDim, KeyValueHeads * HeadDim);
        layers = Enumerable.Range(0, count).Select(i => new Block(
            Own(weights.Take($"model.layers.{i}.input_layernorm.weight", hidden)),
            TakeLinears(weights, $"model.layers.{i}.self_attn", hidden, bias, ("q_proj", q), ("k_proj", kv), ("v_proj", kv)),
            attends with { Window = windows[i] },
            TakeLinear(weights, $"model.layers.{i}.self_attn.o_proj", hidden, q, bias),
            Own(weights.Take($"model.layers.{i}.post_attention_layernorm.weight", hidden)),
            Own(weights.Take($"model.layers.{i}.pre_feedforward_layernorm.weight", hidden)),
            TakeLinears(weights, $"model.layers.{i}.mlp", hidden, bias: false, ("gate_proj", inner), ("up_proj", inner)),
            TakeLinear(weights, $"model.layers.{i}.mlp.down_proj", hidden, inner),
            Own(weights.Take($"model.layers.{i}.post_feedforward_layernorm.weight", hidden)))).ToArray();
        norm = Own(weights.Take("model.norm.weight", hidden));
        embed_scale = Own(tensor(MathF.Sqrt(hidden), norm.dtype, norm.device)); // rounded to the model's dtype, as the reference does
        (embed_tokens, lm_head) = TakeEmbeddings(weights, "model.embed_tokens.weight", VocabularySize, hidden, tied: config.Bool("tie_word_embeddings", true));
        rotary = OwnRotary(rope, norm);
    }

    public override int Layers => layers.Length;

    public override int KeyValueHeads { get; }

    public override int HeadDim { get; }

    public override int VocabularySize { get; }

    public override int ContextLength { get; }

    public override Tensor Forward(Tensor ids, Tensor positions, PagedAttention attention)
    {
        var x = embed_tokens.Forward(ids) * embed_scale; // [tokens, hidden]
        var rotation = rotary.At(positions);
        for (var layer = 0; layer < layers.Length; layer++)
        {
            var block = layers[layer];
            x = attention.Enter(layer, x);
            var a = RmsNorm.ForwardOnePlus(x, block.input_layernorm, epsilon);
            var qkv = block.qkv_proj.Forward(a).view(-1, heads + 2 * KeyValueHeads, HeadDim); // [tokens, heads + 2 kv_heads, head_dim]
            var turned = rotation.Apply(qkv.narrow(1, 0, heads + KeyValueHeads));
            var (q, k, v) = (turned.narrow(1, 0, heads), turned.narrow(1, heads, KeyValueHeads), qkv.narrow(1, heads + KeyValueHeads, KeyValueHeads));
            var y = block.o_proj.Forward(attention.Forward(layer, q, k, v, block.attends));
            x = x + RmsNorm.ForwardOnePlus(y, block.post_attention_layernorm, epsilon);
            var m = RmsNorm.ForwardOnePlus(x, block.pre_feedforward_layernorm, epsilon);
            var gateUp = block.gate_up_proj.Forward(m).chunk(2, -1); // each [tokens, inner]
            m = block.down_proj.Forward(Activation.GeGlu(gateUp[0], gateUp[1]));
            x = x + RmsNorm.ForwardOnePlus(m, block.post_feedforward_layernorm, epsilon); // [tokens, hidden]
        }
        return RmsNorm.ForwardOnePlus(x, norm, epsilon);
    }

    public override Tensor Head(Tensor hidden)
    {
        var logits = lm_head.Forward(hidden);
        return softcap is { } cap ? Softcap.Rows(logits, cap) : logits;
    }

    private sealed record Block(
        Tensor input_layernorm, Linear qkv_proj, AttentionOptions attends, Linear o_proj, Tensor post_attention_layernorm,
        Tensor pre_feedforward_layernorm, Linear gate_up_proj, Linear down_proj, Tensor post_feedforward_layernorm);
}
