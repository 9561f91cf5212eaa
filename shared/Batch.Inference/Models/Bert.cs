using Batch.Inference.Kernels;
using Batch.Inference.Layers;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Models;

/// <summary>
/// BERT as a masked language model (Devlin et al. 2018; model_type "bert", BertForMaskedLM): every token sees every other of its sequence, and the head
/// says which token stands behind a mask. One thread owns it.
/// </summary>
internal sealed class Bert : IDisposable
{
    public const string ModelType = "bert";

    private readonly List<IDisposable> _parameters = [];
    private readonly WeightMemory _memory = new();
    private readonly int hidden, heads;
    private readonly float epsilon;
    private readonly Tensor word_embeddings, position_embeddings, token_type_embeddings;
    private readonly Norm embeddings_norm, transform_norm;
    private readonly Layer[] encoder;
    private readonly Linear transform, decoder;

    /// <summary>Builds the model from the loader's tensors; every tensor must be used.</summary>
    public Bert(ModelConfig config, WeightLoader weights)
    {
        (hidden, heads, VocabularySize, ContextLength) = (config.Int("hidden_size"), config.Int("num_attention_heads"), config.Int("vocab_size"), config.Int("max_position_embeddings"));
        var (layers, inner, types) = (config.Int("num_hidden_layers"), config.Int("intermediate_size"), config.Int("type_vocab_size", 2));
        epsilon = config.Float("layer_norm_eps", 1e-12f);
        config.Require("hidden_act", "gelu");
        config.Require("position_embedding_type", "absolute");
        config.Require("is_decoder", "false");
        config.Require("add_cross_attention", "false");
        foreach (var neutral in (string[])["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type", "directionality"])
        {
            config.Find(neutral); // of training, or of the pooler, which the masked language model does not use
        }
        if (hidden % heads != 0)
        {
            throw new InvalidDataException($"{config.Path}: hidden_size {hidden} is no multiple of num_attention_heads {heads}");
        }

        if (!weights.Contains("cls.predictions.transform.dense.weight"))
        {
            throw new InvalidDataException($"{config.Path}: the weights hold no cls.predictions.transform.dense.weight; a BertForMaskedLM is wanted, not the encoder alone");
        }
        var tied = config.Bool("tie_word_embeddings", true);
        // The pooler and the next-sentence head of a pre-training checkpoint, a buffer of positions, and what repeats a tied tensor.
        weights.Ignore(name => name.StartsWith("bert.pooler.", StringComparison.Ordinal) || name.StartsWith("cls.seq_relationship.", StringComparison.Ordinal)
            || name is "bert.embeddings.position_ids" or "cls.predictions.decoder.bias" || (tied && name == "cls.predictions.decoder.weight"));

        word_embeddings = Own(weights.Take("bert.embeddings.word_embeddings.weight", VocabularySize, hidden));
        position_embeddings = Own(weights.Take("bert.embeddings.position_embeddings.weight", ContextLength, hidden));
        token_type_embeddings = Own(weights.Take("bert.embeddings.token_type_embeddings.weight", types, hidden));
        embeddings_norm = TakeNorm("bert.embeddings.LayerNorm");
        encoder = Enumerable.Range(0, layers).Select(i => $"bert.encoder.layer.{i}.").Select(layer => new Layer(
            TakeLinear(layer + "attention.self.query", hidden, hidden), TakeLinear(layer + "attention.self.key", hidden, hidden), TakeLinear(layer + "attention.self.value", hidden, hidden),
            TakeLinear(layer + "attention.output.dense", hidden, hidden), TakeNorm(layer + "attention.output.LayerNorm"),
            TakeLinear(layer + "intermediate.dense", inner, hidden), TakeLinear(layer + "output.dense", hidden, inner), TakeNorm(layer + "output.LayerNorm"))).ToArray();
        transform = TakeLinear("cls.predictions.transform.dense", hidden, hidden);
        transform_norm = TakeNorm("cls.predictions.transform.LayerNorm");
        decoder = OwnLinear(
            tied ? word_embeddings.alias() : weights.Take("cls.predictions.decoder.weight", VocabularySize, hidden),
            weights.Take("cls.predictions.bias", VocabularySize));
        config.EnsureAllKnown();
        weights.EnsureAllUsed();

        Linear TakeLinear(string name, int outputs, int inputs) => OwnLinear(weights.Take($"{name}.weight", outputs, inputs), weights.Take($"{name}.bias", outputs));

        // Checkpoints from TensorFlow call them gamma and beta.
        Norm TakeNorm(string name)
        {
            var (weight, bias) = weights.Contains($"{name}.weight") ? ("weight", "bias") : ("gamma", "beta");
            return new Norm(Own(weights.Take($"{name}.{weight}", hidden)), Own(weights.Take($"{name}.{bias}", hidden)), epsilon);
        }
    }

    public int VocabularySize { get; }

    public int ContextLength { get; }

    /// <summary>Hidden states of the last layer, for sequences whose rows lie one after the other.</summary>
    /// <param name="ids">[tokens] int64, all of the first segment.</param>
    /// <param name="positions">[tokens] int64, the place of each row in its own sequence.</param>
    /// <param name="lengths">Rows of each sequence; rows after the last belong to none.</param>
    /// <returns>[tokens, hidden]</returns>
    public Tensor Forward(Tensor ids, Tensor positions, IReadOnlyList<int> lengths)
    {
        var x = embeddings_norm.Forward(word_embeddings.index_select(0, ids) + position_embeddings.index_select(0, positions) + token_type_embeddings.select(0, 0));
        foreach (var layer in encoder)
        {
            var y = Attend(layer.query.Forward(x), layer.key.Forward(x), layer.value.Forward(x), lengths);
            x = layer.attention_norm.Forward(layer.attention_output.Forward(y) + x);
            y = layer.output.Forward(nn.functional.gelu(layer.intermediate.Forward(x)));
            x = layer.output_norm.Forward(y + x); // [tokens, hidden]
        }
        return x;
    }

    /// <summary>Logits of hidden states: a dense layer, GELU, normalization, and the word embeddings as the decoder.</summary>
    /// <param name="x">[rows, hidden]</param>
    /// <returns>[rows, vocabulary]</returns>
    public Tensor Head(Tensor x) => decoder.Forward(transform_norm.Forward(nn.functional.gelu(transform.Forward(x))));

    public void Dispose()
    {
        _parameters.ForEach(parameter => parameter.Dispose());
        _memory.Dispose();
    }

    // Each sequence by itself, so that none depends on its neighbours. query, key, value: [tokens, hidden]
    private Tensor Attend(Tensor query, Tensor key, Tensor value, IReadOnlyList<int> lengths)
    {
        var y = zeros_like(query);
        var start = 0L;
        foreach (var length in lengths)
        {
            var attended = nn.functional.scaled_dot_product_attention(Heads(query), Heads(key), Heads(value)); // [1, heads, length, head_dim]
            y.narrow(0, start, length).copy_(attended.transpose(1, 2).reshape(length, hidden));
            start += length;

            Tensor Heads(Tensor t) => t.narrow(0, start, length).view(1, length, heads, hidden / heads).transpose(1, 2);
        }
        return y;
    }

    private Tensor Own(Tensor parameter)
    {
        _parameters.Add(parameter.DetachFromDisposeScope());
        return parameter;
    }

    private Linear OwnLinear(Tensor weight, Tensor bias)
    {
        var linear = Linear.Create(weight, bias, _memory);
        _parameters.Add(linear);
        return linear;
    }

    private sealed record Norm(Tensor weight, Tensor bias, float epsilon)
    {
        public Tensor Forward(Tensor x) => LayerNorm.Forward(x, weight, bias, epsilon);
    }

    private sealed record Layer(
        Linear query, Linear key, Linear value, Linear attention_output, Norm attention_norm, Linear intermediate, Linear output, Norm output_norm);
}
