using Batch.Inference.Layers;
using Batch.Inference.Models;
using static TorchSharp.torch;

namespace Batch.Benchmarks.Engine;

/// <summary>A model that computes all that its shape costs, and then says what a script says: the token at each position, whatever stood before it.</summary>
internal sealed class ScriptedModel(CausalLM model, int[] script) : CausalLM
{
    private const double Sure = 1000;

    public override int Layers => model.Layers;

    public override int KeyValueHeads => model.KeyValueHeads;

    public override int HeadDim => model.HeadDim;

    public override int VocabularySize => model.VocabularySize;

    public override int ContextLength => model.ContextLength;

    /// <returns>[tokens, hidden + 2]: the last two columns name the row's position, for the head.</returns>
    public override Tensor Forward(Tensor ids, Tensor positions, PagedAttention attention)
    {
        var hidden = model.Forward(ids, positions, attention);
        var place = stack([positions.div(256, RoundingMode.floor), positions.remainder(256)], 1).to(hidden.dtype); // bfloat16 counts to 256
        return cat([hidden, place], 1);
    }

    public override Tensor Head(Tensor hidden)
    {
        var width = hidden.shape[1] - 2;
        var logits = model.Head(hidden.narrow(1, 0, width).contiguous());
        var place = hidden.narrow(1, width, 2).to(ScalarType.Int64);
        var next = (place.select(1, 0) * 256 + place.select(1, 1) + 1).clamp(0, script.Length - 1);
        var said = tensor(script).to(ScalarType.Int64).index_select(0, next).unsqueeze(1); // [rows, 1]
        return logits.scatter(1, said, full(said.shape, Sure, logits.dtype));
    }
}
