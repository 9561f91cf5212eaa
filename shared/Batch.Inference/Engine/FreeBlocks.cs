namespace Batch.Inference.Engine;

/// <summary>The blocks that nobody holds, in the order in which they are taken: a doubly linked list over block numbers, every operation O(1).</summary>
internal sealed class FreeBlocks
{
    private readonly int[] _next;
    private readonly int[] _previous;

    /// <summary>All of 0 to <paramref name="blocks"/> - 1, in order.</summary>
    public FreeBlocks(int blocks)
    {
        // The entry after the last block is both ends of the list.
        (_next, _previous) = (new int[blocks + 1], new int[blocks + 1]);
        for (var i = 0; i <= blocks; i++)
        {
            (_next[i], _previous[(i + 1) % (blocks + 1)]) = ((i + 1) % (blocks + 1), i);
        }
        Count = blocks;
    }

    public int Count { get; private set; }

    private int Ends => _next.Length - 1;

    public int TakeFirst()
    {
        var block = _next[Ends];
        Take(block);
        return block;
    }

    public void Take(int block)
    {
        (_next[_previous[block]], _previous[_next[block]]) = (_next[block], _previous[block]);
        Count--;
    }

    public void AddFirst(int block) => Insert(Ends, block);

    public void AddLast(int block) => Insert(_previous[Ends], block);

    private void Insert(int after, int block)
    {
        var before = _next[after];
        (_next[block], _previous[block]) = (before, after);
        (_next[after], _previous[before]) = (block, block);
        Count++;
    }
}
