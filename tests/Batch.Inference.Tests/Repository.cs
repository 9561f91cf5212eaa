namespace Batch.Inference.Tests;

/// <summary>The checkout that the tests were built from.</summary>
internal static class Repository
{
    public static string Path(params string[] parts)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "Batch.sln")))
        {
            folder = folder.Parent!;
        }
        return System.IO.Path.Combine([folder.FullName, .. parts]);
    }
}
