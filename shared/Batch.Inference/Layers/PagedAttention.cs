using Batch.Inference.Engine;
using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>Rows of one sequence in a step: where they start in the batch, how many they are, and where the sequence's tokens lie in the cache.</summary>
/// <param name="Slots">Cache slots of all tokens up to and including the last row.</param>
internal sealed record AttentionSpan(int Start, int Rows, long[] Slots);

/// <summary>What a layer does with its scores: softcap * tanh(scale * q·k / softcap), and who sees whom.</summary>
/// <param name="Scale">Of q·k; 1 / sqrt(head_dim) in most families.</param>
/// <param name="Window">A token sees itself and the Window - 1 tokens before it; all of them without one.</param>
/// <param name="Softcap">Bounds the scaled scores to ±Softcap (Gemma 2).</param>
internal sealed record AttentionOptions(float Scale, int? Window = null, float? Softcap = null)
{
    /// <summary>The usual: scaled by 1 / sqrt(head_dim), over the whole past.</summary>
    public static AttentionOptions Causal(int headDim) => new(1f / MathF.Sqrt(headDim));

    /// <summary>How many of the context's first tokens no row of a span sees.</summary>
    public int Unseen(int context, int rows) => Window is { } window ? Math.Max(0, context - rows - window + 1) : 0;
}

/// <summary>
/// Attention of a ragged batch over the block cache (Kwon et al. 2023): writes the step's keys and values to their slots, then lets each sequence's rows
/// see their own past: by <see cref="RowAttention"/> on the CPU, where a row's result depends on nothing but itself, by <see cref="GatheredAttention"/> elsewhere, on
/// each device that holds layers.
/// </summary>
internal sealed class PagedAttention
{
    private readonly RowAttention? _own; // on the CPU
    private readonly KvCache _cache;
    private readonly GatheredAttention[] _gathered = []; // on each device

    /// <param name="cache">Keys and values of all layers.</param>
    /// <param name="newSlots">[tokens]: the slot of each row.</param>
    /// <param name="spans">In the order of the rows. Rows after the last span belong to no sequence.</param>
    /// <param name="own">False for the framework's attention where there is an own kernel, too: what tests compare with.</param>
    public PagedAttention(KvCache cache, long[] newSlots, IReadOnlyList<AttentionSpan> spans, bool own = true)
    {
        _cache = cache;
        if (own && RowAttention.Serves(cache))
        {
            _own = new RowAttention(cache, newSlots, spans);
            return;
        }
        _gathered = [.. cache.Placement.Devices.Select(device => new GatheredAttention(newSlots, spans, device))];
    }

    /// <summary>Brings what a layer begins with to the layer's device.</summary>
    /// <param name="x">[tokens, hidden]</param>
    public Tensor Enter(int layer, Tensor x) => _cache.Placement.Devices.Count == 1 ? x : x.to(_cache.Placement.Of(layer));

    /// <param name="q">[tokens, heads, head_dim]</param>
    /// <param name="k">[tokens, kv_heads, head_dim]</param>
    /// <param name="v">[tokens, kv_heads, head_dim]</param>
    /// <param name="options">The layer's own.</param>
    /// <returns>[tokens, heads * head_dim]</returns>
    public Tensor Forward(int layer, Tensor q, Tensor k, Tensor v, AttentionOptions options)
    {
        using var lap = StepClock.In(StepPhase.Attention);
        return _own is not null
            ? _own.Forward(layer, q, k, v, options)
            : _gathered[_cache.Placement.IndexOf(layer)].Forward(q, k, v, _cache.Keys[layer], _cache.Values[layer], options);
    }
}
