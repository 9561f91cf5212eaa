namespace Batch.ModelTrainer.Tests;

/// <summary>Where the repository lies, found from the tests' own folder upwards.</summary>
internal static class Repository
{
    public static string Corpus { get; } = Path.Combine(Root(), "models", "corpus");

    public static string Model { get; } = Path.Combine(Root(), "models", "draft-5m");

    private static string Root()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Batch.sln")))
            {
                return folder;
            }
        }
        throw new DirectoryNotFoundException("no folder above the tests holds Batch.sln");
    }
}
