using System.Reflection;

namespace Batch.Infra.Tests;

/// <summary>Where the files under test lie, and what the project file says about the Bicep compiler.</summary>
internal static class Repository
{
    public static string Folder { get; } = Metadata("RepositoryFolder");

    public static string Infra { get; } = Path.Combine(Folder, "infra");

    public static string Metadata(string key) =>
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == key).Value ?? "";

    public static string Read(params string[] path) => File.ReadAllText(Path.Combine([Folder, .. path]));

    /// <summary>The C# files under a folder, build outputs apart; none where the folder is missing.</summary>
    public static IEnumerable<string> SourceFiles(string folder)
    {
        var root = Path.Combine(Folder, folder);
        return Directory.Exists(root)
            ? Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories).Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            : [];
    }
}
