namespace Batch.Inference.Engine;

/// <summary>Which blocks of the key-value cache are free. Knows numbers only, no tensors.</summary>
internal sealed class BlockPool
{
    private readonly Stack<int> _free;

    public BlockPool(int blocks, int blockSize)
    {
        (Blocks, BlockSize) = (blocks, blockSize);
        _free = new Stack<int>(Enumerable.Range(0, blocks).Reverse());
    }

    public int Blocks { get; }

    public int BlockSize { get; }

    public int Free => _free.Count;

    /// <summary>Lengthens <paramref name="table"/> until it holds <paramref name="tokens"/> tokens; takes nothing and answers false when the free blocks do not suffice.</summary>
    public bool TryGrow(List<int> table, int tokens)
    {
        var missing = (tokens + BlockSize - 1) / BlockSize - table.Count;
        if (missing > _free.Count)
        {
            return false;
        }
        for (var i = 0; i < missing; i++)
        {
            table.Add(_free.Pop());
        }
        return true;
    }

    public void Release(List<int> table)
    {
        for (var i = table.Count - 1; i >= 0; i--)
        {
            _free.Push(table[i]);
        }
        table.Clear();
    }
}
