namespace Batch.Inference.Tests;

/// <summary>A folder of its own for one test, gone afterwards.</summary>
internal sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("batch-test-").FullName;

    /// <summary>A folder with links to the named files of another, or to all of them.</summary>
    public static TestFolder LinkedTo(string other, params string[] names)
    {
        var folder = new TestFolder();
        foreach (var name in names.Length > 0 ? names : Directory.GetFiles(other).Select(System.IO.Path.GetFileName))
        {
            File.CreateSymbolicLink(System.IO.Path.Combine(folder.Path, name!), System.IO.Path.Combine(other, name!));
        }
        return folder;
    }

    /// <summary>Writes a file and returns the folder, so that calls chain.</summary>
    public TestFolder With(string name, string content)
    {
        File.WriteAllText(System.IO.Path.Combine(Path, name), content);
        return this;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
