using Batch.Jobs.Access;

namespace Batch.Cli;

/// <summary>The API key that <c>serve</c> makes for the user of this machine, in a file of the data folder that nobody else may read.</summary>
internal static class DevelopmentKey
{
    public const string DefaultDataFolder = ".data/serve";

    public static string FileIn(string dataFolder) => Path.Combine(dataFolder, "api-key");

    public static string ReadOrDraw(string dataFolder)
    {
        var file = FileIn(dataFolder);
        if (!File.Exists(file))
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }
            using var writer = new StreamWriter(file, options);
            writer.Write(ApiKey.NewSecret());
        }
        return File.ReadAllText(file).Trim();
    }

    /// <summary>The key of a server that was started from this folder, for an address on this machine.</summary>
    public static string? Find(Uri url)
    {
        var file = FileIn(DefaultDataFolder);
        return url.IsLoopback && File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }
}
