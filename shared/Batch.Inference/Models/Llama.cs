using Batch.Inference.Layers;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Models;

/// <summary>Llama 1 to 3 (Touvron et al. 2023): RMSNorm before each half, rotary positions, grouped-query attention, SwiGLU.</summary>
internal sealed class Llama : CausalLM
{
    private readonly int heads, hidden;
    private readonly float epsilon;
    private readonly Embedding embed_tokens;
    private readonly Tensor norm;
    private readonly Linear lm_head;
    private readonly RotaryEmbedding rotary;
    private readonly AttentionOptions attends;
    private readonly Block[] layers;

    public Llama(ModelConfig config, WeightLoader weights)
    {
        (hidden, heads, VocabularySize) = (config.Int("hidden_size"), config.Int("num_attention_heads"), config.Int("vocab_size"));
        (KeyValueHeads, HeadDim) = (config.KeyValueHeads(heads, otherwise: heads), config.Int("head_dim", hidden / heads));
        var inner = config.Int("intermediate_size");
        epsilon = config.Float("rms_norm_eps", 1e-6f);
        config.Require("hidden_act", "silu");
        var (attentionBias, mlpBias) = (config.Bool("attention_bias", false), config.Bool("mlp_bias", false));
        attends = AttentionOptions.Causal(HeadDim);
        var rope = RopeFrequencies.Read(config, HeadDim, config.Int("max_position_embeddings", 2048));
        ContextLength = config.Limited(rope.ContextLength);
        weights.Ignore(name => name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal));

        var (q, kv) = (heads * HeadDim, KeyValueHeads * HeadDim);
        layers = Enumerable.Range(0, config.Int("num_hidden_layers")).Select(i => $"model.layers.{i}").Select(layer => new Block(
            Own(weights.Take($"{layer}.input_layernorm.weight", hidden)),
            TakeLinears(weights, $"{layer}.self_attn", hidden, attentionBias, ("q_proj", q), ("k_proj", kv), ("v_proj", kv)),
            TakeLinear(weights, $"{layer}.self_attn.o_proj", hidden, q, attentionBias),
            Own(weights.Take($"{layer}.post_attention_layernorm.weight", hidden)),
            TakeLinears(weights, $"{layer}.mlp", hidden, mlpBias, ("gate_proj", inner), ("up_proj", inner)),
            TakeLinear(weights, $"{layer}.mlp.down_proj", hidden, inner, mlpBias))).ToArray();
        norm = Own(weights.Take("model.norm.weight", hidden));
        (embed_tokens, lm_head) = TakeEmbeddings(weights, "model.embed_tokens.weight", VocabularySize, hidden, tied: config.Bool("tie_word_embeddings", false));
        rotary = OwnRotary(rope, norm);
    }

    public override int Layers => layers.Length;

    public override int KeyValueHeads { get; }

    public override int HeadDim { get; }

    public override int VocabularySize { get; }

    public override int ContextLength { get; }

    public override Tensor Forward(Tensor ids, Tensor positions, PagedAttention attention)
    {
        var x = embed_tokens.Forward(ids); // [tokens, hidden]
        var rotation = rotary.At(positions);
        for (var layer = 0; layer < layers.Length; layer++)
        {
            var block = layers[layer];
            x = attention.Enter(layer, x);
            var a = RmsNorm.Forward(x, block.input_layernorm, epsilon);
            var qkv = block.qkv_proj.Forward(a).view(-1, heads + 2 * KeyValueHeads, HeadDim); // [tokens, heads + 2 kv_heads, head_dim]
            var turned = rotation.Apply(qkv.narrow(1, 0, heads + KeyValueHeads));
            var (q, k, v) = (turned.narrow(1, 0, heads), turned.narrow(1, heads, KeyValueHeads), qkv.narrow(1, heads + KeyValueHeads, KeyValueHeads));
            x = block.o_proj.Forward(attention.Forward(layer, q, k, v, attends), x);
            var m = RmsNorm.Forward(x, block.post_attention_layernorm, epsilon);
            var gateUp = block.gate_up_proj.Forward(m).chunk(2, -1); // each [tokens, inner]
            x = block.down_proj.Forward(Activation.SwiGlu(gateUp[0], gateUp[1]), x); // [tokens, hidden]
        }
        return RmsNorm.Forward(x, norm, epsilon);
    }

    public override Tensor Head(Tensor hidden) => lm_head.Forward(hidden);

    private sealed record Block(
        Tensor input_layernorm, Linear qkv_proj, Linear o_proj,
        Tensor post_attention_layernorm, Linear gate_up_proj, Linear down_proj);
}
