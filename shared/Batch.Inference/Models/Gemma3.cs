using Batch.Inference.Layers;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Models;

/// <summary>
/// Gemma 3's text model (Kamath et al. 2025): Gemma 2's layers with norms over each head's queries and keys instead of capped scores; five of six layers see a
/// window and turn by a base of their own.
/// </summary>
internal sealed class Gemma3 : CausalLM
{
    private readonly int heads;
    private readonly float epsilon;
    private readonly float? softcap;
    private readonly Embedding embed_tokens;
    private readonly Tensor embed_scale, norm;
    private readonly Linear lm_head;
    private readonly RotaryEmbedding global, local;
    private readonly Block[] layers;

    /// <param name="model">What the names of the text model's tensors start with.</param>
    public Gemma3(ModelConfig config, WeightLoader weights, string model = "model.", string head = "lm_head.weight")
    {
        (heads, VocabularySize) = (config.Int("num_attention_heads", 8), config.Int("vocab_size", 262_208));
        (KeyValueHeads, HeadDim) = (config.KeyValueHeads(heads, otherwise: 4), config.Int("head_dim", 256));
        var (hidden, inner, count) = (config.Int("hidden_size", 2304), config.Int("intermediate_size", 9216), config.Int("num_hidden_layers", 26));
        epsilon = config.Float("rms_norm_eps", 1e-6f);
        config.Require("hidden_activation", "gelu_pytorch_tanh");
        var bias = config.Bool("attention_bias", false);
        softcap = config.FloatOrNone("final_logit_softcapping", null);
        var attends = new AttentionOptions(1f / MathF.Sqrt(config.Float("query_pre_attn_scalar", 256f)), null, config.FloatOrNone("attn_logit_softcapping", null));
        var pattern = config.Int("sliding_window_pattern", config.Int("_sliding_window_pattern", 6));
        if (pattern < 1)
        {
            throw new InvalidDataException($"{config.Path}: sliding_window_pattern is {pattern}, at least 1 is expected");
        }
        var window = config.SlidingWindow(4096) ?? throw new NotSupportedException($"{config.Path}: sliding_window = null is not supported for {config.ModelType}");
        var windows = config.Windows(count, window, layer => (layer + 1) % pattern != 0);
        var positions = config.Int("max_position_embeddings", 131_072);
        var globalRope = RopeFrequencies.Read(config, HeadDim, positions, 1_000_000);
        var localTheta = config.Float("rope_local_base_freq", 10_000f);
        var localRope = config.Find("rope_parameters") is null
            ? RopeFrequencies.Unscaled(HeadDim, localTheta, positions)
            : RopeFrequencies.Read(config, HeadDim, positions, localTheta, "sliding_attention");
        ContextLength = config.Limited(globalRope.ContextLength);

        var (q, kv) = (heads * HeadDim, KeyValueHeads * HeadDim);
        layers = Enumerable.Range(0, count).Select(i => new Block(
            Own(weights.Take($"{model}layers.{i}.input_layernorm.weight", hidden)),
            TakeLinears(weights, $"{model}layers.{i}.self_attn", hidden, bias, ("q_proj", q), ("k_proj", kv), ("v_proj", kv)),
            Own(weights.Take($"{model}layers.{i}.self_attn.q_norm.weight", HeadDim)),
            Own(weights.Take($"{model}layers.{i}.self_attn.k_norm.weight", HeadDim)),
            attends with { Window = windows[i] },
            TakeLinear(weights, $"{model}layers.{i}.self_attn.o_proj", hidden, q, bias),
            Own(weights.Take($"{model}layers.{i}.post_attention_layernorm.weight", hidden)),
            Own(weights.Take($"{model}layers.{i}.pre_feedforward_layernorm.weight", hidden)),
            TakeLinears(weights, $"{model}layers.{i}.mlp", hidden, bias: false, ("gate_proj", inner), ("up_proj", inner)),
            TakeLinear(weights, $"{model}layers.{i}.mlp.down_proj", hidden, inner),
            Own(weights.Take($"{model}layers.{i}.post_feedforward_layernorm.weight", hidden)))).ToArray();
        norm = Own(weights.Take($"{model}norm.weight", hidden));
        embed_scale = Own(tensor(MathF.Sqrt(hidden), norm.dtype, norm.device)); // rounded to the model's dtype, as the reference does
        (embed_tokens, lm_head) = TakeEmbeddings(weights, $"{model}embed_tokens.weight", VocabularySize, hidden, tied: config.Bool("tie_word_embeddings", true), head);
        (global, local) = (OwnRotary(globalRope, norm), OwnRotary(localRope, norm));
    }

    /// <summary>The text model of a folder that holds a vision model, too. Only text goes in, so that one is left out.</summary>
    public static Gemma3 OfMultimodal(ModelConfig config, WeightLoader weights)
    {
        foreach (var ofImages in new[] { "vision_config", "boi_token_index", "eoi_token_index", "image_token_index", "mm_tokens_per_image" })
        {
            config.Find(ofImages);
        }
        var text = config.Section("text_config") ?? throw new InvalidDataException($"{config.Path}: text_config is missing");
        weights.Ignore(name => name.Contains("vision_tower.", StringComparison.Ordinal) || name.Contains("multi_modal_projector.", StringComparison.Ordinal));
        var model = weights.Contains("language_model.model.embed_tokens.weight")
            ? new Gemma3(text, weights, "language_model.model.", "language_model.lm_head.weight")
            : new Gemma3(text, weights, "model.language_model."); // as newer files call it
        text.EnsureAllKnown();
        return model;
    }

    public override int Layers => layers.Length;

    public override int KeyValueHeads { get; }

    public override int HeadDim { get; }

    public override int VocabularySize { get; }

    public override int ContextLength { get; }

    public override Tensor Forward(Tensor ids, Tensor positions, PagedAttention attention)
    {
        var x = embed_tokens.Forward(ids) * embed_scale; // [tokens, hidden]
        var (everywhere, nearby) = (global.At(positions), local.At(positions));
        for (var layer = 0; layer < layers.Length; layer++)
        {
            var block = layers[layer];
            x = attention.Enter(layer, x);
            var a = RmsNorm.ForwardOnePlus(x, block.input_layernorm, epsilon);
            var rotation = block.attends.Window is null ? everywhere : nearby;
            var qkv = block.qkv_proj.Forward(a).view(-1, heads + 2 * KeyValueHeads, HeadDim); // [tokens, heads + 2 kv_heads, head_dim]
            var q = rotation.Apply(RmsNorm.ForwardOnePlus(qkv.narrow(1, 0, heads), block.q_norm, epsilon));
            var k = rotation.Apply(RmsNorm.ForwardOnePlus(qkv.narrow(1, heads, KeyValueHeads), block.k_norm, epsilon));
            var v = qkv.narrow(1, heads + KeyValueHeads, KeyValueHeads);
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
        Tensor input_layernorm, Linear qkv_proj, Tensor q_norm, Tensor k_norm, AttentionOptions attends, Linear o_proj, Tensor post_attention_layernorm,
        Tensor pre_feedforward_layernorm, Linear gate_up_proj, Linear down_proj, Tensor post_feedforward_layernorm);
}
