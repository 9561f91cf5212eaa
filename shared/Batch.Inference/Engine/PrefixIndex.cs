using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Batch.Inference.Engine;

/// <summary>
/// Finds full blocks by what they hold: their own tokens after all tokens before them (automatic prefix caching, Kwon et al. 2023). What a block holds
/// has a number, its content, and a block is known by the content before it and its own tokens. A hit is compared token for token, all the way from the
/// first block: the hash only finds it, and a collision costs a hit, never a wrong text.
/// </summary>
internal sealed class PrefixIndex(int blocks, int blockSize)
{
    /// <summary>The content before the first block.</summary>
    public const long Nothing = 0;

    private readonly Dictionary<ulong, int> _found = [];
    private readonly ulong[] _hash = new ulong[blocks];
    private readonly long[] _before = new long[blocks];
    private readonly long[] _content = new long[blocks];
    private readonly int[] _tokens = new int[blocks * blockSize];
    private long _contents;

    /// <summary>What the block holds; <see cref="Nothing"/> when that is not known, as of a block that is not full.</summary>
    public long ContentOf(int block) => _content[block];

    /// <summary>The block that holds these tokens after that content, or -1.</summary>
    /// <param name="tokens">[block size]</param>
    public int Find(long before, ReadOnlySpan<int> tokens) =>
        _found.TryGetValue(HashOf(before, tokens), out var block) && Holds(block, before, tokens) ? block : -1;

    /// <summary>From now on the block is found by what it holds. Of two blocks with the same content the first is found.</summary>
    /// <param name="tokens">[block size]</param>
    public void Add(int block, long before, ReadOnlySpan<int> tokens)
    {
        var hash = HashOf(before, tokens);
        (_hash[block], _before[block]) = (hash, before);
        tokens.CopyTo(_tokens.AsSpan(block * blockSize));
        _content[block] = _found.TryAdd(hash, block) || !Holds(_found[hash], before, tokens) ? ++_contents : _content[_found[hash]];
    }

    /// <summary>The block holds something else soon.</summary>
    public void Remove(int block)
    {
        if (_content[block] != Nothing && _found.TryGetValue(_hash[block], out var found) && found == block)
        {
            _found.Remove(_hash[block]);
        }
        _content[block] = Nothing;
    }

    private bool Holds(int block, long before, ReadOnlySpan<int> tokens) =>
        _before[block] == before && tokens.SequenceEqual(_tokens.AsSpan(block * blockSize, blockSize));

    private static ulong HashOf(long before, ReadOnlySpan<int> tokens) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(tokens), before);
}
