using static TorchSharp.torch;

namespace Batch.ModelTrainer.Model;

/// <summary>
/// A Llama model for training: weights in float32, matrix products in <paramref name="compute"/> (bfloat16 where the processor has it),
/// norms, rotations, residual stream and loss in float32. Owns its weights; used by one thread.
/// </summary>
internal sealed class LlamaModel(LlamaConfig config, IReadOnlyDictionary<string, Tensor> weights, ScalarType compute) : IDisposable
{
    private readonly (Tensor Cos, Tensor Sin) _rotary = Rotary(config);

    public LlamaConfig Config => config;

    /// <summary>The float32 weights by checkpoint name; leaves of the autograd graph.</summary>
    public IReadOnlyDictionary<string, Tensor> Weights => weights;

    /// <summary>Fresh weights: normal with deviation 0.02, less for what adds to the residual stream, ones for the norms.</summary>
    public static LlamaModel Initialise(LlamaConfig config, int seed, ScalarType compute)
    {
        using var generator = new Generator((ulong)seed);
        var weights = new Dictionary<string, Tensor>();
        foreach (var (name, shape) in config.Tensors())
        {
            var residual = name.Contains("o_proj", StringComparison.Ordinal) || name.Contains("down_proj", StringComparison.Ordinal);
            var deviation = residual ? 0.02 / Math.Sqrt(2 * config.NumHiddenLayers) : 0.02;
            var weight = shape.Length == 1 ? ones(shape) : randn(shape, generator: generator).mul_(deviation);
            weights[name] = weight.requires_grad_(true).DetachFromDisposeScope();
        }
        return new LlamaModel(config, weights, compute);
    }

    /// <summary>Mean cross-entropy, in nats a token, of predicting <paramref name="targets"/> [batch, time] from <paramref name="ids"/> [batch, time].</summary>
    public Tensor Loss(Tensor ids, Tensor targets)
    {
        var logits = Logits(Hidden(ids)); // [batch * time, vocab]
        return nn.functional.cross_entropy(logits, targets.reshape(-1));
    }

    /// <summary>The logits [batch, vocab] of the token after the last of <paramref name="ids"/> [batch, time].</summary>
    public Tensor LastLogits(Tensor ids) => Logits(Hidden(ids).select(1, -1));

    public void Dispose()
    {
        foreach (var weight in weights.Values)
        {
            weight.Dispose();
        }
        _rotary.Cos.Dispose();
        _rotary.Sin.Dispose();
    }

    private Tensor Hidden(Tensor ids)
    {
        var (batch, time) = (ids.shape[0], ids.shape[1]);
        var x = weights["model.embed_tokens.weight"].index_select(0, ids.reshape(-1)).view(batch, time, config.HiddenSize);
        for (var i = 0; i < config.NumHiddenLayers; i++)
        {
            var layer = $"model.layers.{i}";
            x = x + Attention(layer, RmsNorm($"{layer}.input_layernorm", x));
            x = x + Mlp(layer, RmsNorm($"{layer}.post_attention_layernorm", x));
        }
        return RmsNorm("model.norm", x); // [batch, time, hidden]
    }

    private Tensor Logits(Tensor hidden) =>
        Linear("model.embed_tokens", hidden.reshape(-1, config.HiddenSize)).to(ScalarType.Float32);

    private Tensor Attention(string layer, Tensor x)
    {
        var (batch, time) = (x.shape[0], x.shape[1]);
        var q = Rotate(Heads(Linear($"{layer}.self_attn.q_proj", x), config.NumAttentionHeads)); // [batch, heads, time, head_dim]
        var k = Rotate(Heads(Linear($"{layer}.self_attn.k_proj", x), config.NumKeyValueHeads)); // [batch, kv_heads, time, head_dim]
        var v = Heads(Linear($"{layer}.self_attn.v_proj", x), config.NumKeyValueHeads);
        var groups = config.NumAttentionHeads / config.NumKeyValueHeads;
        if (groups > 1)
        {
            k = k.repeat_interleave(groups, 1); // [batch, heads, time, head_dim]
            v = v.repeat_interleave(groups, 1);
        }
        var y = nn.functional.scaled_dot_product_attention(q, k, v, is_casual: true);
        return Linear($"{layer}.self_attn.o_proj", y.transpose(1, 2).reshape(batch, time, config.HiddenSize)).to(ScalarType.Float32);
    }

    private Tensor Mlp(string layer, Tensor x)
    {
        var gate = nn.functional.silu(Linear($"{layer}.mlp.gate_proj", x)); // [batch, time, intermediate]
        return Linear($"{layer}.mlp.down_proj", gate * Linear($"{layer}.mlp.up_proj", x)).to(ScalarType.Float32);
    }

    private Tensor Linear(string name, Tensor x) => nn.functional.linear(x, weights[$"{name}.weight"].to(compute));

    private Tensor RmsNorm(string name, Tensor x)
    {
        var scale = x.square().mean([-1L], keepdim: true).add(config.RmsNormEps).rsqrt(); // [batch, time, 1]
        return (x * scale * weights[$"{name}.weight"]).to(compute);
    }

    private Tensor Heads(Tensor x, int heads) => x.view(x.shape[0], x.shape[1], heads, config.HeadDim).transpose(1, 2);

    /// <summary>Rotary positions (Su et al. 2021), with the two halves of a head as pairs, as Hugging Face has them.</summary>
    private Tensor Rotate(Tensor x)
    {
        var (time, half) = (x.shape[2], config.HeadDim / 2);
        var halves = x.chunk(2, -1); // 2 of [batch, heads, time, head_dim / 2]
        var (cos, sin) = (_rotary.Cos.narrow(0, 0, time), _rotary.Sin.narrow(0, 0, time)); // [time, head_dim / 2]
        return cat([halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin], -1).to(compute);
    }

    private static (Tensor, Tensor) Rotary(LlamaConfig config)
    {
        using var scope = NewDisposeScope();
        var half = config.HeadDim / 2;
        var frequencies = pow(config.RopeTheta, arange(half, dtype: ScalarType.Float32) / -half);
        var angles = outer(arange(config.MaxPositionEmbeddings, dtype: ScalarType.Float32), frequencies); // [position, head_dim / 2]
        return (angles.cos().DetachFromDisposeScope(), angles.sin().DetachFromDisposeScope());
    }
}
