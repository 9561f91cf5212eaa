namespace Batch.ModelTrainer.Model;

/// <summary>The shape of a Llama model, in the words of its config.json. The output layer is the embedding.</summary>
internal sealed record LlamaConfig(
    int VocabSize,
    int HiddenSize,
    int IntermediateSize,
    int NumHiddenLayers,
    int NumAttentionHeads,
    int NumKeyValueHeads,
    int MaxPositionEmbeddings = 512,
    double RopeTheta = 10_000,
    double RmsNormEps = 1e-5)
{
    public int HeadDim => HiddenSize / NumAttentionHeads;

    /// <summary>Every tensor of the checkpoint, by its Hugging Face name, with its shape.</summary>
    public IEnumerable<(string Name, long[] Shape)> Tensors()
    {
        long hidden = HiddenSize, keyValue = NumKeyValueHeads * HeadDim, inner = IntermediateSize;
        yield return ("model.embed_tokens.weight", [VocabSize, hidden]);
        for (var i = 0; i < NumHiddenLayers; i++)
        {
            var layer = $"model.layers.{i}";
            yield return ($"{layer}.input_layernorm.weight", [hidden]);
            yield return ($"{layer}.self_attn.q_proj.weight", [hidden, hidden]);
            yield return ($"{layer}.self_attn.k_proj.weight", [keyValue, hidden]);
            yield return ($"{layer}.self_attn.v_proj.weight", [keyValue, hidden]);
            yield return ($"{layer}.self_attn.o_proj.weight", [hidden, hidden]);
            yield return ($"{layer}.post_attention_layernorm.weight", [hidden]);
            yield return ($"{layer}.mlp.gate_proj.weight", [inner, hidden]);
            yield return ($"{layer}.mlp.up_proj.weight", [inner, hidden]);
            yield return ($"{layer}.mlp.down_proj.weight", [hidden, inner]);
        }
        yield return ("model.norm.weight", [hidden]);
    }

    public long Parameters => Tensors().Sum(tensor => tensor.Shape.Aggregate((a, b) => a * b));
}
