using System.Diagnostics;

namespace Batch.Functions.Tests.Clients;

/// <summary>A package of npm in this user's cache, installed there when it is first asked for.</summary>
internal static class NodePackage
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Runs a script of this folder beside the package, and gives what it wrote.</summary>
    public static async Task<string> RunAsync(string package, string version, string script, IReadOnlyDictionary<string, string> environment)
    {
        var folder = await InstallAsync(package, version);
        var copy = Path.Combine(folder, $"{Guid.NewGuid():N}.mjs");
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Clients", script), copy);
        try
        {
            return await RunAsync("node", [copy], environment);
        }
        finally
        {
            File.Delete(copy);
        }
    }

    // Beside the final folder, and renamed at the end: a crash before it costs nothing, and of two at once the first one counts.
    private static async Task<string> InstallAsync(string package, string version)
    {
        var cache = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "batch");
        var folder = Path.Combine(cache, $"{package}-{version}");
        if (Directory.Exists(folder))
        {
            return folder;
        }

        var unfinished = Directory.CreateDirectory($"{folder}.{Guid.NewGuid():N}").FullName;
        await RunAsync("npm", ["install", "--prefix", unfinished, "--no-audit", "--no-fund", "--ignore-scripts", $"{package}@{version}"], new Dictionary<string, string>());
        try
        {
            Directory.Move(unfinished, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        return folder;
    }

    private static async Task<string> RunAsync(string program, string[] arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(OperatingSystem.IsWindows() && program == "npm" ? "npm.cmd" : program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(Cancellation), process.StandardError.ReadToEndAsync(Cancellation));
        await process.WaitForExitAsync(Cancellation);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await errors}{await output}");
        return await output;
    }
}
