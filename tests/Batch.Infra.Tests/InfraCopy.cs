namespace Batch.Infra.Tests;

/// <summary>A copy of infra/ that a test may change.</summary>
internal sealed class InfraCopy : IDisposable
{
    public InfraCopy()
    {
        foreach (var name in FileNames)
        {
            var target = Path.Combine(Folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(Path.Combine(Repository.Infra, name), target);
        }
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("batch-infra-").FullName;

    /// <summary>The Bicep files and their configuration, relative to infra/.</summary>
    public static string[] FileNames { get; } =
    [
        "bicepconfig.json",
        .. Directory.EnumerateFiles(Repository.Infra, "*.bicep*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(Repository.Infra, file)).Order(),
    ];

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
