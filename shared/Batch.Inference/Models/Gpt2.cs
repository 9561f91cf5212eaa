using Batch.Inference.Layers;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Models;

/// <summary>GPT-2 (Radford et al. 2019): learned positions, LayerNorm before each half, fused qkv, GELU in its tanh form.</summary>
internal sealed class Gpt2 : CausalLM
{
    private readonly int heads, hidden;
    private readonly float epsilon;
    private readonly Embedding wte;
    private readonly Tensor wpe, ln_f_weight, ln_f_bias;
    private readonly Linear lm_head;
    private readonly Block[] h;

    public Gpt2(ModelConfig config, WeightLoader weights)
    {
        (hidden, heads, VocabularySize, ContextLength) = (config.Int("n_embd"), config.Int("n_head"), config.Int("vocab_size"), config.Int("n_positions"));
        var layers = config.Int("n_layer");
        var inner = config.Int("n_inner", 4 * hidden);
        epsilon = config.Float("layer_norm_epsilon", 1e-5f);
        config.Require("activation_function", "gelu_new");
        if (hidden % heads != 0)
        {
            throw new InvalidDataException($"{config.Path}: n_embd {hidden} is no multiple of n_head {heads}");
        }

        var scale = config.Bool("scale_attn_weights", true) ? 1f / MathF.Sqrt(HeadDim) : 1f;
        var byLayer = config.Bool("scale_attn_by_inverse_layer_idx", false);

        // Files of the base model carry no "transformer." prefix; old ones hold the causal masks as buffers.
        var prefix = weights.Contains("transformer.wte.weight") ? "transformer." : "";
        weights.Ignore(name => name.EndsWith(".attn.bias", StringComparison.Ordinal) || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal));
        Tensor Take(string name, params long[] shape) => Own(weights.Take(prefix + name, shape));
        // GPT-2's checkpoints store the weight as [in, out].
        Linear TakeConv1D(string name, long rows, long columns) => OwnLinear(weights, weights.Take(prefix + $"{name}.weight", rows, columns).t(), weights.Take(prefix + $"{name}.bias", columns));

        wpe = Take("wpe.weight", ContextLength, hidden);
        h = Enumerable.Range(0, layers).Select(i => new Block(
            Take($"h.{i}.ln_1.weight", hidden), Take($"h.{i}.ln_1.bias", hidden),
            TakeConv1D($"h.{i}.attn.c_attn", hidden, 3 * hidden), new AttentionOptions(byLayer ? scale / (i + 1) : scale), TakeConv1D($"h.{i}.attn.c_proj", hidden, hidden),
            Take($"h.{i}.ln_2.weight", hidden), Take($"h.{i}.ln_2.bias", hidden),
            TakeConv1D($"h.{i}.mlp.c_fc", hidden, inner), TakeConv1D($"h.{i}.mlp.c_proj", inner, hidden))).ToArray();
        ln_f_weight = Take("ln_f.weight", hidden);
        ln_f_bias = Take("ln_f.bias", hidden);
        (wte, lm_head) = TakeEmbeddings(weights, prefix + "wte.weight", VocabularySize, hidden, tied: config.Bool("tie_word_embeddings", true));
    }

    public override int Layers => h.Length;

    public override int KeyValueHeads => heads;

    public override int HeadDim => hidden / heads;

    public override int VocabularySize { get; }

    public override int ContextLength { get; }

    public override Tensor Forward(Tensor ids, Tensor positions, PagedAttention attention)
    {
        var x = wte.Forward(ids) + wpe.index_select(0, positions); // [tokens, hidden]
        for (var layer = 0; layer < h.Length; layer++)
        {
            var block = h[layer];
            x = attention.Enter(layer, x);
            var qkv = block.c_attn.Forward(LayerNorm.Forward(x, block.ln_1_weight, block.ln_1_bias, epsilon)).view(-1, 3, heads, HeadDim);
            var y = attention.Forward(layer, qkv.select(1, 0), qkv.select(1, 1), qkv.select(1, 2), block.attends); // [tokens, heads * head_dim]
            x = block.attn_c_proj.Forward(y, x);
            x = block.mlp_c_proj.Forward(Activation.Gelu(block.c_fc.Forward(LayerNorm.Forward(x, block.ln_2_weight, block.ln_2_bias, epsilon))), x); // [tokens, hidden]
        }
        return LayerNorm.Forward(x, ln_f_weight, ln_f_bias, epsilon);
    }

    public override Tensor Head(Tensor hidden) => lm_head.Forward(hidden);

    private sealed record Block(
        Tensor ln_1_weight, Tensor ln_1_bias, Linear c_attn, AttentionOptions attends, Linear attn_c_proj,
        Tensor ln_2_weight, Tensor ln_2_bias, Linear c_fc, Linear mlp_c_proj);
}
