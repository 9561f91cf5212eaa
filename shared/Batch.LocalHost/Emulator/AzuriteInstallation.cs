namespace Batch.LocalHost.Emulator;

/// <summary>Finds Azurite's start script: the one BATCH_AZURITE names, or a pinned version in this user's cache, installed there by npm if need be.</summary>
internal static class AzuriteInstallation
{
    // The last version for Node.js 20.
    private const string Version = "3.35.0";

    // Knows how clients of today sign with a user delegation key. It asks for Node.js 22, and its blobs are served by 20 as well.
    private const string VersionForIdentities = "3.37.0";
    private static readonly TimeSpan BetweenTries = TimeSpan.FromMilliseconds(200);

    public static async Task<string> FindOrInstallAsync(Action<string>? log, CancellationToken cancellationToken)
    {
        if (Environment.GetEnvironmentVariable("BATCH_AZURITE") is { Length: > 0 } given)
        {
            return File.Exists(given)
                ? given
                : throw new InvalidOperationException($"BATCH_AZURITE is '{given}', and there is no such file; it must name azurite.js or a link to it.");
        }

        return await FindOrInstallAsync(Version, log, cancellationToken);
    }

    /// <summary>The version for clients with an identity.</summary>
    public static Task<string> FindOrInstallForIdentitiesAsync(CancellationToken cancellationToken) => FindOrInstallAsync(VersionForIdentities, log: null, cancellationToken);

    private static async Task<string> FindOrInstallAsync(string version, Action<string>? log, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(CacheFolder(), $"azurite-{version}");
        if (!Directory.Exists(folder))
        {
            await InstallAsync(folder, version, log, cancellationToken);
        }

        return StartScript(folder);
    }

    /// <summary>One process at a time installs, beside the final folder; the rename at the end is what makes it count, so a crash before it costs nothing.</summary>
    internal static async Task InstallAsync(string folder, string version, Action<string>? log, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        await using var turn = await WaitForTurnAsync($"{folder}.lock", cancellationToken);
        if (Directory.Exists(folder))
        {
            return;
        }

        log?.Invoke($"Installing Azurite {version} from npm into {folder}; this happens once.");
        var unfinished = $"{folder}.partial";
        if (Directory.Exists(unfinished))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        Directory.CreateDirectory(unfinished);
        await RunNpmAsync(["install", "--prefix", unfinished, "--no-audit", "--no-fund", "--ignore-scripts", $"azurite@{version}"], cancellationToken);
        if (!File.Exists(StartScript(unfinished)))
        {
            throw new InvalidOperationException($"npm installed Azurite {version}, but {StartScript(unfinished)} is missing.");
        }

        Directory.Move(unfinished, folder);
    }

    private static async Task<FileStream> WaitForTurnAsync(string lockFile, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return new FileStream(lockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(lockFile))
            {
                await Task.Delay(BetweenTries, cancellationToken);
            }
        }
    }

    private static async Task RunNpmAsync(string[] arguments, CancellationToken cancellationToken)
    {
        using var npm = NodeProcess.Start(OperatingSystem.IsWindows() ? "npm.cmd" : "npm", arguments);
        npm.StandardInput.Close();
        var output = npm.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = npm.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await npm.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            npm.Kill(entireProcessTree: true);
            throw;
        }

        if (npm.ExitCode != 0)
        {
            throw new InvalidOperationException($"'npm {string.Join(' ', arguments)}' ended with {npm.ExitCode}: {await errors}{await output}");
        }
    }

    private static string StartScript(string folder) => Path.Combine(folder, "node_modules", "azurite", "dist", "src", "azurite.js");

    private static string CacheFolder()
    {
        var caches = OperatingSystem.IsWindows()
            ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg
                ? xdg
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(caches, "batch");
    }
}
