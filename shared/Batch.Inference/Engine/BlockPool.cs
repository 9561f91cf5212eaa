using System.Runtime.InteropServices;

namespace Batch.Inference.Engine;

/// <summary>
/// Who holds which blocks of the key-value cache. Sequences that begin alike hold the same full blocks, each counted; a block that nobody holds keeps
/// what it has until it is needed, the longest unused first. Full blocks are never written again, so nothing is ever copied. Knows numbers only, no tensors.
/// </summary>
internal sealed class BlockPool(int blocks, int blockSize, bool prefixCaching = true)
{
    private readonly FreeBlocks _free = new(blocks);
    private readonly int[] _holders = new int[blocks];
    private readonly PrefixIndex? _prefixes = prefixCaching ? new PrefixIndex(blocks, blockSize) : null;

    public int Blocks => blocks;

    public int BlockSize => blockSize;

    /// <summary>Blocks that nobody holds.</summary>
    public int Free => _free.Count;

    public int HoldersOf(int block) => _holders[block];

    public int BlocksFor(int tokens) => (tokens + blockSize - 1) / blockSize;

    /// <summary>Lengthens <paramref name="table"/> until it holds <paramref name="tokens"/> tokens; takes nothing and answers false when the free blocks do not suffice.</summary>
    public bool TryGrow(List<int> table, int tokens)
    {
        var missing = BlocksFor(tokens) - table.Count;
        if (missing > _free.Count)
        {
            return false;
        }
        for (var i = 0; i < missing; i++)
        {
            var block = _free.TakeFirst();
            _prefixes?.Remove(block);
            _holders[block] = 1;
            table.Add(block);
        }
        return true;
    }

    /// <summary>Fills an empty table with the blocks that hold the beginning of these tokens, but never with all of them.</summary>
    /// <returns>How many tokens they hold.</returns>
    public int Share(List<int> table, List<int> tokens)
    {
        var content = PrefixIndex.Nothing;
        for (var end = blockSize; _prefixes is not null && end < tokens.Count; end += blockSize)
        {
            var block = _prefixes.Find(content, CollectionsMarshal.AsSpan(tokens)[(end - blockSize)..end]);
            if (block < 0)
            {
                break;
            }
            if (_holders[block]++ == 0)
            {
                _free.Take(block);
            }
            table.Add(block);
            content = _prefixes.ContentOf(block);
        }
        return table.Count * blockSize;
    }

    /// <summary>Lets others share what the table holds: its full blocks among the first <paramref name="computed"/> tokens.</summary>
    public void Publish(List<int> table, List<int> tokens, int computed)
    {
        if (_prefixes is null)
        {
            return;
        }
        var full = computed / blockSize;
        var known = full;
        while (known > 0 && _prefixes.ContentOf(table[known - 1]) == PrefixIndex.Nothing)
        {
            known--;
        }
        for (var i = known; i < full; i++)
        {
            var before = i == 0 ? PrefixIndex.Nothing : _prefixes.ContentOf(table[i - 1]);
            _prefixes.Add(table[i], before, CollectionsMarshal.AsSpan(tokens).Slice(i * blockSize, blockSize));
        }
    }

    /// <summary>Nothing in a free block can be relied upon, nor shared: a step failed while it wrote.</summary>
    public void Forget()
    {
        for (var block = 0; block < blocks; block++)
        {
            _prefixes?.Remove(block);
        }
    }

    /// <summary>Shortens the table to the blocks of the first <paramref name="tokens"/> tokens.</summary>
    /// <returns>How many tokens it still holds: fewer where the last block, of which only a part is wanted now, belongs to others, too.</returns>
    public int Truncate(List<int> table, int tokens)
    {
        var (whole, kept) = (tokens / blockSize, BlocksFor(tokens));
        if (kept > whole && _holders[table[whole]] > 1)
        {
            (kept, tokens) = (whole, whole * blockSize);
        }
        else if (kept > whole)
        {
            _prefixes?.Remove(table[whole]); // it is written again
        }
        ReleaseFrom(table, kept);
        return tokens;
    }

    public void Release(List<int> table) => ReleaseFrom(table, 0);

    // From the end, so that of what is kept for others the beginnings, which more of them share, last longest.
    private void ReleaseFrom(List<int> table, int first)
    {
        for (var i = table.Count - 1; i >= first; i--)
        {
            var block = table[i];
            if (--_holders[block] > 0)
            {
                continue;
            }
            if (_prefixes is not null && _prefixes.ContentOf(block) != PrefixIndex.Nothing)
            {
                _free.AddLast(block);
            }
            else
            {
                _free.AddFirst(block);
            }
        }
        table.RemoveRange(first, table.Count - first);
    }
}
