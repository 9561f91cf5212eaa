using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Batch.Benchmarks.LlamaCpp;

/// <summary>
/// llama.cpp's own shared libraries, as npm's node-llama-cpp distributes them, brought on demand into a cache folder (BATCH_LLAMA_CPP, or
/// batch/llama-cpp in the user's local application data). Nothing else of the project needs them.
/// </summary>
internal static class LlamaCppPackage
{
    public const string PackageVersion = "3.22.1";

    /// <summary>The release of llama.cpp in that package; the bindings are written for it.</summary>
    public const string Release = "0.5.0";

    /// <summary>The folder of the libraries, installed by npm unless it is there.</summary>
    public static string Install()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("llama.cpp's libraries are bound on Linux only");
        }
        var platform = $"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        var cache = Environment.GetEnvironmentVariable("BATCH_LLAMA_CPP")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create), "batch", "llama-cpp", PackageVersion);
        var libraries = Path.Combine(cache, "node_modules", "@node-llama-cpp", platform, "bins", platform);
        if (!File.Exists(Path.Combine(libraries, $"libllama.v{Release}.so")))
        {
            Directory.CreateDirectory(cache);
            Npm("install", "--prefix", cache, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", $"@node-llama-cpp/{platform}@{PackageVersion}");
        }
        return libraries;
    }

    private static void Npm(params string[] arguments)
    {
        using var npm = Process.Start(new ProcessStartInfo("npm", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, errors) = (npm.StandardOutput.ReadToEndAsync(), npm.StandardError.ReadToEndAsync());
        npm.WaitForExit();
        if (npm.ExitCode != 0)
        {
            throw new InvalidOperationException($"npm {string.Join(' ', arguments)} ended with {npm.ExitCode}: {errors.GetAwaiter().GetResult()}{output.GetAwaiter().GetResult()}");
        }
    }
}
