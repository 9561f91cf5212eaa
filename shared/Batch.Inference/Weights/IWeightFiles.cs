namespace Batch.Inference.Weights;

/// <summary>Where a model's files of weights lie: in its folder, or elsewhere.</summary>
public interface IWeightFiles
{
    bool Contains(string name);

    /// <summary>One that is there. The caller disposes of it.</summary>
    IWeightFile Open(string name);
}

/// <summary>A file of weights, read by ranges straight to where they are wanted, by one thread.</summary>
public interface IWeightFile : IDisposable
{
    /// <summary>What messages call it.</summary>
    string Path { get; }

    long Length { get; }

    /// <summary>Whether it has to be read once, from its first byte to its last: it is held to a hash on the way, and the last read throws where that is another.</summary>
    bool InOrder { get; }

    /// <summary>Fills the beginning of <paramref name="target"/> with bytes from <paramref name="at"/> on and gives their number; 0 at the end.</summary>
    int Read(long at, Span<byte> target);
}
