using Batch.Inference.Kernels;
using Batch.Inference.Layers;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Models;

/// <summary>
/// A causal language model over ragged batches: the rows of all sequences lie one after the other in a single [tokens, …] tensor, and only attention
/// knows where one sequence ends. One thread owns it.
/// </summary>
internal abstract class CausalLM : IDisposable
{
    private static readonly Dictionary<string, Func<ModelConfig, WeightLoader, CausalLM>> Families = new()
    {
        ["gpt2"] = (config, weights) => new Gpt2(config, weights),
        ["llama"] = (config, weights) => new Llama(config, weights),
        ["mistral"] = (config, weights) => new Mistral(config, weights),
        ["qwen2"] = (config, weights) => new Qwen2(config, weights),
        ["qwen3"] = (config, weights) => new Qwen3(config, weights),
        ["phi3"] = (config, weights) => new Phi3(config, weights),
        ["gemma2"] = (config, weights) => new Gemma2(config, weights),
        ["gemma3_text"] = (config, weights) => new Gemma3(config, weights),
        ["gemma3"] = Gemma3.OfMultimodal,
    };

    private const long MostTableBytes = 4L << 30; // a million positions take one

    private readonly List<IDisposable> _parameters = [];
    private readonly WeightMemory _memory = new();

    public abstract int Layers { get; }

    public abstract int KeyValueHeads { get; }

    public abstract int HeadDim { get; }

    public abstract int VocabularySize { get; }

    public abstract int ContextLength { get; }

    /// <summary>Builds the model of the config's family from the loader's tensors; every tensor must be used.</summary>
    public static CausalLM Create(ModelConfig config, WeightLoader weights)
    {
        if (!Families.TryGetValue(config.ModelType, out var construct))
        {
            throw new NotSupportedException($"{config.Path}: model_type '{config.ModelType}' is not supported; supported are {string.Join(", ", Families.Keys)}");
        }
        var model = construct(config, weights);
        config.EnsureAllKnown();
        weights.EnsureAllUsed();
        return model;
    }

    /// <summary>Hidden states before the head.</summary>
    /// <param name="ids">[tokens] int64.</param>
    /// <param name="positions">[tokens] int64, the place of each row in its own sequence.</param>
    /// <param name="attention">Where the rows' keys and values go and which they see.</param>
    /// <returns>[tokens, hidden]</returns>
    public abstract Tensor Forward(Tensor ids, Tensor positions, PagedAttention attention);

    /// <summary>Logits of hidden states.</summary>
    /// <param name="hidden">[rows, hidden]</param>
    /// <returns>[rows, vocabulary]</returns>
    public abstract Tensor Head(Tensor hidden);

    public void Dispose()
    {
        _parameters.ForEach(p => p.Dispose());
        _memory.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Keeps a tensor for the model's life, out of every dispose scope.</summary>
    protected Tensor Own(Tensor parameter)
    {
        _parameters.Add(parameter.DetachFromDisposeScope());
        return parameter;
    }

    /// <summary>Keeps a linear layer for the model's life.</summary>
    /// <param name="weight">[out, in]; the layer takes it over.</param>
    protected Linear OwnLinear(WeightLoader weights, Tensor weight, Tensor? bias = null)
    {
        var linear = Linear.Create(weight, bias, _memory, weights.RoundsToInt8);
        _parameters.Add(linear);
        return linear;
    }

    /// <summary>A linear layer by its name in the checkpoint.</summary>
    protected Linear TakeLinear(WeightLoader weights, string name, long rows, long columns, bool bias = false) =>
        OwnLinear(weights, weights.Take($"{name}.weight", rows, columns), bias ? weights.Take($"{name}.bias", rows) : null);

    /// <summary>Linear layers of one input as one, their outputs side by side: fewer, larger products.</summary>
    protected Linear TakeLinears(WeightLoader weights, string prefix, long columns, bool bias, params (string Name, long Rows)[] parts)
    {
        Tensor Stack(IEnumerable<Tensor> tensors)
        {
            var pieces = tensors.ToList();
            var (first, row) = (pieces[0], 0L);
            var stacked = WeightMemory.Empty([pieces.Sum(piece => piece.shape[0]), .. first.shape[1..]], first.dtype, first.device);
            foreach (var piece in pieces)
            {
                stacked.narrow(0, row, piece.shape[0]).copy_(piece);
                row += piece.shape[0];
                piece.Dispose();
            }
            return stacked;
        }
        return OwnLinear(
            weights,
            Stack(parts.Select(part => weights.Take($"{prefix}.{part.Name}.weight", part.Rows, columns))),
            bias ? Stack(parts.Select(part => weights.Take($"{prefix}.{part.Name}.bias", part.Rows))) : null);
    }

    /// <summary>The table of embeddings, [vocabulary, hidden], and the output layer, which has a weight of its own or, tied, the same.</summary>
    protected (Embedding Embeddings, Linear Head) TakeEmbeddings(WeightLoader weights, string name, long vocabulary, long hidden, bool tied, string head = "lm_head.weight")
    {
        var table = weights.Take(name, vocabulary, hidden);
        if (!tied)
        {
            var own = OwnLinear(weights, weights.Take(head, vocabulary, hidden));
            return (new Embedding(Own(table), own), own);
        }
        weights.Ignore(stored => stored == head); // some files store the tied head a second time
        var both = OwnLinear(weights, table);
        return (new Embedding(null, both), both);
    }

    /// <summary>The positions of the whole context, in the dtype and on the device of a weight.</summary>
    protected RotaryEmbedding OwnRotary(RopeFrequencies rope, Tensor weight)
    {
        var bytes = 4L * rope.Frequencies.Length * ContextLength * weight.element_size();
        if (bytes > MostTableBytes)
        {
            throw new InvalidDataException($"a context of {ContextLength} tokens needs tables of {bytes >> 20} MB, at most {MostTableBytes >> 20} are allowed; set Engine:MaxContextLength");
        }
        var rotary = new RotaryEmbedding(rope, ContextLength, weight.dtype, weight.device);
        Own(rotary.Cos);
        Own(rotary.Sin);
        return rotary;
    }
}
