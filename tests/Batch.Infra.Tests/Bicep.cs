using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The Bicep compiler, run as a process without network.</summary>
internal static class Bicep
{
    // azd sets these for a person's deployment; snapshots and lint must not depend on them.
    private static readonly string[] DeploymentVariables = ["AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "SERVICE_WORKER_IMAGE_NAME"];

    private static readonly string Executable = Repository.Metadata("BicepFile");

    public static async Task<BicepRun> RunAsync(string folder, params string[] arguments)
    {
        using var process = Start(folder, arguments);
        process.StandardInput.Close();
        var cancellationToken = TestContext.Current.CancellationToken;
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return new(process.ExitCode, await output, await error);
    }

    public static Process Start(string folder, params string[] arguments)
    {
        Assert.SkipUnless(Executable.Length > 0, "The Bicep package holds an executable for Linux x64 only.");

        var start = new ProcessStartInfo(Executable, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        foreach (var variable in DeploymentVariables)
        {
            start.Environment.Remove(variable);
        }

        return Process.Start(start)!;
    }
}

internal sealed record BicepRun(int ExitCode, string Output, string Error)
{
    public void AssertSucceeded() => Assert.True(ExitCode == 0, $"bicep left with {ExitCode}: {Error}{Output}");

    /// <summary>What lint found, from its output: one SARIF document after another.</summary>
    public List<string> Findings(out int files)
    {
        var findings = new List<string>();
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(Output), new JsonReaderOptions { AllowMultipleValues = true });
        for (files = 0; reader.Read(); files++)
        {
            using var sarif = JsonDocument.ParseValue(ref reader);
            findings.AddRange(sarif.RootElement.GetProperty("runs")[0].GetProperty("results").EnumerateArray().Select(Describe));
        }

        return findings;
    }

    private static string Describe(JsonElement result)
    {
        var location = result.GetProperty("locations")[0].GetProperty("physicalLocation");
        return $"{location.GetProperty("artifactLocation").GetProperty("uri")}({location.GetProperty("region").GetProperty("startLine")}): " +
            $"{result.GetProperty("ruleId")}: {result.GetProperty("message").GetProperty("text")}";
    }
}
