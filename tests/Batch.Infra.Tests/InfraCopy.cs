namespace Batch.Infra.Tests;

/// <summary>A copy of infra/ that a test may change, beside a copy of host.json.</summary>
internal sealed class InfraCopy : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("batch-infra-").FullName;

    public InfraCopy()
    {
        File.Copy(Path.Combine(Repository.Folder, "host.json"), Path.Combine(_root, "host.json"));
        foreach (var name in FileNames)
        {
            var target = Path.Combine(Folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(Path.Combine(Repository.Infra, name), target);
        }
    }

    public string Folder => Path.Combine(_root, "infra");

    /// <summary>The Bicep files and their configuration, relative to infra/.</summary>
    public static string[] FileNames { get; } =
    [
        "bicepconfig.json",
        .. Directory.EnumerateFiles(Repository.Infra, "*.bicep*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(Repository.Infra, file)).Order(),
    ];

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
