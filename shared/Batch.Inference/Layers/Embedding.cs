using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>Rows of a table by token id: of a table of its own, or of the head's weight where the two are tied, so that it is kept once.</summary>
/// <param name="table">[vocabulary, hidden]; null where they are tied.</param>
internal sealed class Embedding(Tensor? table, Linear head)
{
    /// <param name="ids">[tokens] int64</param>
    /// <returns>[tokens, hidden]</returns>
    public Tensor Forward(Tensor ids) => table is null ? head.Rows(ids) : table.index_select(0, ids);
}
