namespace Batch.LocalHost.Tests;

/// <summary>A folder of a test's own, gone after it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("batch-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
