using System.Text.Json;
using Batch.Benchmarks.References;

namespace Batch.Inference.Tests.Models;

/// <summary>
/// The families once more, as their papers write them: in double precision, token by token, with loops over numbers and no cache. Slow and plain, for settings
/// that llama.cpp does not read, and without its float16 table for GELU.
/// </summary>
internal sealed class PlainModel(JsonElement config, IReadOnlyDictionary<string, long[]> shapes, ulong seed)
{
    private readonly Dictionary<string, double[]> _weights = shapes.ToDictionary(s => s.Key, s => RandomCheckpoint.Values(s.Key, s.Value, seed, config.GetRawText()).Select(v => (double)v).ToArray());

    private string Family => config.GetProperty("model_type").GetString()!;

    private bool IsGemma => Family.StartsWith("gemma", StringComparison.Ordinal);

    /// <summary>Logits after the last of the tokens.</summary>
    public double[] Logits(int[] tokens) => Family == "gpt2" ? Gpt2(tokens) : LlamaLike(tokens);

    private double[] Gpt2(int[] tokens)
    {
        var (hidden, heads) = (Int("n_embd"), Int("n_head"));
        var x = tokens.Select((token, t) => Add(Row("transformer.wte.weight", token, hidden), Row("transformer.wpe.weight", t, hidden))).ToArray();
        for (var layer = 0; layer < Int("n_layer"); layer++)
        {
            var h = $"transformer.h.{layer}.";
            var qkv = x.Select(row => Conv1D(h + "attn.c_attn", LayerNorm(h + "ln_1", row))).ToArray();
            var scale = (Flag("scale_attn_weights", true) ? 1 / Math.Sqrt(hidden / heads) : 1) / (Flag("scale_attn_by_inverse_layer_idx", false) ? layer + 1 : 1);
            var y = Attend(qkv.Select(r => r[..hidden]).ToArray(), qkv.Select(r => r[hidden..(2 * hidden)]).ToArray(), qkv.Select(r => r[(2 * hidden)..]).ToArray(), heads, heads, scale, null, null);
            x = x.Select((row, t) => Add(row, Conv1D(h + "attn.c_proj", y[t]))).ToArray();
            x = x.Select(row => Add(row, Conv1D(h + "mlp.c_proj", Conv1D(h + "mlp.c_fc", LayerNorm(h + "ln_2", row)).Select(Gelu).ToArray()))).ToArray();
        }
        return Linear("transformer.wte", LayerNorm("transformer.ln_f", x[^1]));
    }

    private double[] LlamaLike(int[] tokens)
    {
        var (hidden, heads) = (Int("hidden_size"), Int("num_attention_heads"));
        var (kvHeads, headDim) = (Int("num_key_value_heads"), Has("head_dim") ? Int("head_dim") : hidden / heads);
        var scale = 1 / Math.Sqrt(Number("query_pre_attn_scalar") ?? headDim);
        var x = tokens.Select(token => Row("model.embed_tokens.weight", token, hidden).Select(v => IsGemma ? v * Math.Sqrt(hidden) : v).ToArray()).ToArray();
        for (var layer = 0; layer < Int("num_hidden_layers"); layer++)
        {
            var name = $"model.layers.{layer}.";
            var sliding = Slides(layer);
            var (q, k, v) = (new double[tokens.Length][], new double[tokens.Length][], new double[tokens.Length][]);
            for (var t = 0; t < tokens.Length; t++)
            {
                var a = RmsNorm(name + "input_layernorm", x[t]);
                if (Family == "phi3")
                {
                    var (all, ends) = (Linear(name + "self_attn.qkv_proj", a), (heads * headDim, (heads + kvHeads) * headDim));
                    (q[t], k[t], v[t]) = (all[..ends.Item1], all[ends.Item1..ends.Item2], all[ends.Item2..]);
                }
                else
                {
                    (q[t], k[t], v[t]) = (Linear(name + "self_attn.q_proj", a), Linear(name + "self_attn.k_proj", a), Linear(name + "self_attn.v_proj", a));
                }
                (q[t], k[t]) = (Turn(q[t], name + "self_attn.q_norm", t, headDim, sliding), Turn(k[t], name + "self_attn.k_norm", t, headDim, sliding));
            }
            var y = Attend(q, k, v, heads, kvHeads, scale, sliding ? Int("sliding_window") : null, Number("attn_logit_softcapping"));
            for (var t = 0; t < tokens.Length; t++)
            {
                var o = Linear(name + "self_attn.o_proj", y[t]);
                x[t] = Add(x[t], IsGemma ? RmsNorm(name + "post_attention_layernorm", o) : o);
                var m = FeedForward(name + "mlp.", RmsNorm(name + (IsGemma ? "pre_feedforward_layernorm" : "post_attention_layernorm"), x[t]));
                x[t] = Add(x[t], IsGemma ? RmsNorm(name + "post_feedforward_layernorm", m) : m);
            }
        }
        var logits = Linear(_weights.ContainsKey("lm_head.weight") ? "lm_head" : "model.embed_tokens", RmsNorm("model.norm", x[^1]));
        return Number("final_logit_softcapping") is { } cap ? logits.Select(l => cap * Math.Tanh(l / cap)).ToArray() : logits;
    }

    private bool Slides(int layer)
    {
        if (!Has("sliding_window") || Family.StartsWith("qwen", StringComparison.Ordinal) && !Flag("use_sliding_window", false))
        {
            return false;
        }
        return Has("layer_types") ? config.GetProperty("layer_types")[layer].GetString() == "sliding_attention" : Family switch
        {
            "gemma2" => layer is 0 or 2 or 4,
            "gemma3_text" => (layer + 1) % Int("sliding_window_pattern") > 0,
            "qwen2" or "qwen3" => layer >= Int("max_window_layers"),
            _ => true,
        };
    }

    private double[] FeedForward(string mlp, double[] x)
    {
        var gate = Family == "phi3" ? Linear(mlp + "gate_up_proj", x) : [.. Linear(mlp + "gate_proj", x), .. Linear(mlp + "up_proj", x)];
        var inner = gate.Length / 2;
        return Linear(mlp + "down_proj", Enumerable.Range(0, inner).Select(i => (IsGemma ? Gelu(gate[i]) : gate[i] / (1 + Math.Exp(-gate[i]))) * gate[inner + i]).ToArray());
    }

    private static double[][] Attend(double[][] q, double[][] k, double[][] v, int heads, int kvHeads, double scale, int? window, double? softcap)
    {
        var dim = q[0].Length / heads;
        return q.Select((row, t) => Enumerable.Range(0, heads).SelectMany(head =>
        {
            var (at, kv) = (head * dim, head / (heads / kvHeads) * dim);
            var seen = Enumerable.Range(0, t + 1).Where(s => t - s < (window ?? int.MaxValue)).ToArray();
            var scores = seen.Select(s => scale * Enumerable.Range(0, dim).Sum(d => row[at + d] * k[s][kv + d])).Select(s => softcap is { } cap ? cap * Math.Tanh(s / cap) : s).ToArray();
            var weights = scores.Select(s => Math.Exp(s - scores.Max())).ToArray();
            return Enumerable.Range(0, dim).Select(d => seen.Select((s, i) => weights[i] * v[s][kv + d]).Sum() / weights.Sum());
        }).ToArray()).ToArray();
    }

    // Each head: its norm where the family has one, then its rotation.
    private double[] Turn(double[] x, string norm, int position, int headDim, bool sliding) => x.Chunk(headDim).SelectMany(head =>
    {
        var y = _weights.ContainsKey(norm + ".weight") ? RmsNorm(norm, head) : [.. head];
        var rope = new PlainRope(config, headDim, sliding);
        for (var i = 0; i < rope.Dimensions / 2; i++)
        {
            var (angle, j) = (position * rope.Frequency(i), i + rope.Dimensions / 2);
            (y[i], y[j]) = (rope.Growth * (y[i] * Math.Cos(angle) - y[j] * Math.Sin(angle)), rope.Growth * (y[j] * Math.Cos(angle) + y[i] * Math.Sin(angle)));
        }
        return y;
    }).ToArray();

    private double[] RmsNorm(string name, double[] x)
    {
        var rms = Math.Sqrt(x.Average(v => v * v) + (Number("rms_norm_eps") ?? 1e-6));
        return x.Select((v, i) => v / rms * (_weights[name + ".weight"][i] + (IsGemma ? 1 : 0))).ToArray();
    }

    private double[] LayerNorm(string name, double[] x)
    {
        var (mean, epsilon) = (x.Average(), Number("layer_norm_epsilon") ?? 1e-5);
        var deviation = Math.Sqrt(x.Average(v => (v - mean) * (v - mean)) + epsilon);
        return x.Select((v, i) => (v - mean) / deviation * _weights[name + ".weight"][i] + _weights[name + ".bias"][i]).ToArray();
    }

    private double[] Linear(string name, double[] x)
    {
        var weight = _weights[name + ".weight"];
        var bias = _weights.GetValueOrDefault(name + ".bias");
        return Enumerable.Range(0, weight.Length / x.Length).Select(o => Enumerable.Range(0, x.Length).Sum(i => weight[o * x.Length + i] * x[i]) + (bias?[o] ?? 0)).ToArray();
    }

    private double[] Conv1D(string name, double[] x)
    {
        var (weight, bias) = (_weights[name + ".weight"], _weights[name + ".bias"]);
        return bias.Select((b, o) => b + Enumerable.Range(0, x.Length).Sum(i => weight[i * bias.Length + o] * x[i])).ToArray();
    }

    private static double Gelu(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));

    private double[] Row(string name, int row, int width) => _weights[name].AsSpan(row * width, width).ToArray();

    private static double[] Add(double[] a, double[] b) => a.Zip(b, (x, y) => x + y).ToArray();

    private bool Has(string name) => config.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null;

    private int Int(string name) => config.GetProperty(name).GetInt32();

    private double? Number(string name) => Has(name) ? config.GetProperty(name).GetDouble() : null;

    private bool Flag(string name, bool otherwise) => Has(name) ? config.GetProperty(name).GetBoolean() : otherwise;
}
