using System.Diagnostics;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>Runs a program of an npm package, which npm fetches at the first call.</summary>
internal static class Npx
{
    public static async Task AssertSucceedsAsync(string package, params string[] arguments)
    {
        var start = new ProcessStartInfo(OperatingSystem.IsWindows() ? "npx.cmd" : "npx", ["--yes", package, .. arguments])
        {
            WorkingDirectory = Repository.Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var cancellationToken = TestContext.Current.CancellationToken;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        Assert.True(process.ExitCode == 0, $"npx {package} {string.Join(' ', arguments)} left with {process.ExitCode}:\n{await output}{await error}");
    }
}
