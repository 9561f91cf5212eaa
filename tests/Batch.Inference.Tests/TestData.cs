namespace Batch.Inference.Tests;

/// <summary>
/// Models and tokenizers too large, or not ours, to live in the repository. Found by the environment variable BATCH_TEST_DATA, else in the
/// nearest folder shared/data that holds tokenizers, looking upwards from the repository. Tests that need it skip where it is absent.
/// </summary>
internal static class TestData
{
    private static readonly string? Root = Find();

    /// <summary>The path of a file or folder of the data; skips the test where there is none.</summary>
    public static string Require(params string[] parts)
    {
        var path = Root is null ? null : Path.Combine([Root, .. parts]);
        Assert.SkipWhen(path is null || !Path.Exists(path), $"needs {string.Join('/', parts)} of the test data (BATCH_TEST_DATA)");
        return path!;
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("BATCH_TEST_DATA") is { Length: > 0 } given)
        {
            return given;
        }
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var data = Path.Combine(folder.FullName, "shared", "data");
            if (Directory.Exists(Path.Combine(data, "tokenizers")))
            {
                return data;
            }
        }
        return null;
    }
}
