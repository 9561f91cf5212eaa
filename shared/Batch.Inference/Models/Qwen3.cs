using Batch.Inference.Layers;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Models;

/// <summary>Qwen 3 (Yang et al. 2025): Llama's layers with a norm over each head's queries and keys; the upper layers may see a window only.</summary>
internal sealed class Qwen3 : CausalLM
{
    private readonly int heads;
    private readonly float epsilon;
    private readonly Embedding embed_tokens;
    private readonly Tensor norm;
    private readonly Linear lm_head;
    private readonly RotaryEmbedding rotary;
    private readonly Block[] layers;

    public Qwen3(ModelConfig config, WeightLoader weights)
    {
        var hidden = config.Int("hidden_size");
        (heads, VocabularySize) = (config.Int("num_attention_heads"), config.Int("vocab_size"));
        (KeyValueHeads, HeadDim) = (config.KeyValueHeads(heads, otherwise: 32), config.Int("head_dim", 128));
        var inner = config.Int("intermediate_size");
        epsilon = config.Float("rms_norm_eps", 1e-6f);
        config.Require("hidden_act", "silu");
        var attentionBias = config.Bool("attention_bias", false);
        var count = config.Int("num_hidden_layers");
        var window = config.SlidingWindow(4096);
        var firstWindowed = config.Int("max_window_layers", 28);
        var windows = config.Windows(count, config.Bool("use_sliding_window", false) ? window : null, layer => layer >= firstWindowed);
        var rope = RopeFrequencies.Read(config, HeadDim, config.Int("max_position_embeddings", 32_768));
        ContextLength = config.Limited(rope.ContextLength);
        weights.Ignore(name => name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal));

        var (q, kv) = (heads * HeadDim, KeyValueHeads * HeadDim);
        layers = Enumerable.Range(0, count).Select(i => new Block(
            Own(weights.Take($"model.layers.{i}.input_layernorm.weight", hidden)),
            TakeLinears(weights, $"model.layers.{i}.self_attn", hidden, attentionBias, ("q_proj", q), ("k_proj", kv), ("v_proj", kv)),
            Own(weights.Take($"model.layers.{i}.self_attn.q_norm.weight", HeadDim)),
            Own(weights.Take($"model.layers.{i}.self_attn.k_norm.weight", HeadDim)),
            AttentionOptions.Causal(HeadDim) with { Window = windows[i] },
            TakeLinear(weights, $"model.layers.{i}.self_attn.o_proj", hidden, q, attentionBias),
            Own(weights.Take($"model.layers.{i}.post_attention_layernorm.weight", hidden)),
            TakeLinears(weights, $"model.layers.{i}.mlp", hidden, bias: false, ("gate_proj", inner), ("up_proj", inner)),
            TakeLinear(weights, $"model.layers.{i}.mlp.down_proj", hidden, inner))).ToArray();
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
            var q = rotation.Apply(RmsNorm.Forward(qkv.narrow(1, 0, heads), block.q_norm, epsilon));
            var k = rotation.Apply(RmsNorm.Forward(qkv.narrow(1, heads, KeyValueHeads), block.k_norm, epsilon));
            var v = qkv.narrow(1, heads + KeyValueHeads, KeyValueHeads);
            x = block.o_proj.Forward(attention.Forward(layer, q, k, v, block.attends), x);
            var m = RmsNorm.Forward(x, block.post_attention_layernorm, epsilon);
            var gateUp = block.gate_up_proj.Forward(m).chunk(2, -1); // each [tokens, inner]
            x = block.down_proj.Forward(Activation.SwiGlu(gateUp[0], gateUp[1]), x); // [tokens, hidden]
        }
        return RmsNorm.Forward(x, norm, epsilon);
    }

    public override Tensor Head(Tensor hidden) => lm_head.Forward(hidden);

    private sealed record Block(
        Tensor input_layernorm, Linear qkv_proj, Tensor q_norm, Tensor k_norm, AttentionOptions attends, Linear o_proj,
        Tensor post_attention_layernorm, Linear gate_up_proj, Linear down_proj);
}
