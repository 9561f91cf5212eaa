using System.Diagnostics;

namespace Batch.Infra.Tests;

/// <summary>Runs the SDK's command in the repository.</summary>
internal static class Dotnet
{
    public static async Task<(int Code, string Log)> RunAsync(string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = Repository.Folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name); // of the run that these tests are in
        }

        var cancellationToken = Xunit.TestContext.Current.CancellationToken;
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken));
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, await output + await error);
    }
}
