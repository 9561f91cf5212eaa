using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Batch.Cli.Doctor;

/// <summary>How a shutdown reaches the functions here, and whether the emulator can run.</summary>
internal static class MachineCheck
{
    private const string Area = "machine";
    private const int OldestNode = 18;

    public static IEnumerable<Finding> Run(IConfiguration configuration, string node = "node")
    {
        yield return Drain(configuration);
        if (configuration["AzureWebJobsStorage"] is null or "" or "UseDevelopmentStorage=true" && configuration["AzureWebJobsStorage:accountName"] is null)
        {
            yield return Node(node);
        }
    }

    private static Finding Drain(IConfiguration configuration)
    {
        var isOn = configuration.GetValue("FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING", false) || configuration["KUBERNETES_SERVICE_HOST"] is { Length: > 0 };
        return Finding.Ok(Area, isOn
            ? "drain mode is on (KUBERNETES_SERVICE_HOST or FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING): at a shutdown the host does not cancel what runs, Batch hands it back by itself"
            : "drain mode is off: at a shutdown the host cancels what runs, and Batch hands it back");
    }

    private static Finding Node(string node)
    {
        var fix = "install Node.js 20, or name a storage account";
        try
        {
            using var process = Process.Start(new ProcessStartInfo(node, "--version") { RedirectStandardOutput = true })!;
            var version = process.StandardOutput.ReadToEnd().Trim();
            return int.TryParse(version.TrimStart('v').Split('.')[0], CultureInfo.InvariantCulture, out var major) && major >= OldestNode
                ? Finding.Ok(Area, $"Node.js {version} runs the storage emulator (Azurite 3.35.0)")
                : Finding.Problem(Area, $"Node.js is {version}, and the storage emulator needs {OldestNode}", fix);
        }
        catch (Win32Exception)
        {
            return Finding.Problem(Area, "Node.js is not installed, which runs the storage emulator", fix);
        }
    }
}
