using Batch.Inference.Kernels;

namespace Batch.Inference.Tests.Kernels;

public unsafe class WeightMemoryTests
{
    [Fact]
    public void Take_GivesPiecesOfTheirOwn_AtCacheLines()
    {
        using var memory = new WeightMemory();
        long[] sizes = [1, 64, 65, 5 << 20, 40 << 20, 3, 70 << 20, 0, 30 << 20]; // below and above what a chunk holds
        var pieces = sizes.Select(size => (Start: (long)memory.Take(size), Size: size)).ToArray();

        foreach (var (start, size) in pieces)
        {
            Assert.Equal(0, start % 64);
            new Span<byte>((void*)start, (int)size).Fill((byte)(size % 251));
        }
        Assert.All(pieces, piece => Assert.Equal(-1, new Span<byte>((void*)piece.Start, (int)piece.Size).IndexOfAnyExcept((byte)(piece.Size % 251))));
    }

    [Fact]
    public void Dispose_MayBeCalledTwice()
    {
        var memory = new WeightMemory();
        memory.Take(100);
        memory.Dispose();
        memory.Dispose();
    }
}
