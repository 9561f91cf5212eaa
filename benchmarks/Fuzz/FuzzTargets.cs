namespace Batch.Benchmarks.Fuzz;

/// <summary>Every parser at the edge.</summary>
internal sealed class FuzzTargets : IDisposable
{
    private readonly EdgeTargets _edge = new();
    private readonly ModelFolderTargets _folders = new();

    public IReadOnlyList<FuzzTarget> All => [.. RequestTargets.All, .. TextTargets.All, .. _edge.All, .. _folders.All];

    public void Dispose()
    {
        _edge.Dispose();
        _folders.Dispose();
    }
}
