using System.ComponentModel;
using System.Diagnostics;

namespace Batch.LocalHost.Emulator;

/// <summary>Starts node or npm with its streams in our hands.</summary>
internal static class NodeProcess
{
    public static Process Start(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException(
                $"Local storage runs on Azurite, which needs Node.js 20 or newer with npm, and '{program}' could not be started ({e.Message}). "
                + "Install Node.js from https://nodejs.org, or set AzureWebJobsStorage to a storage account of your own.", e);
        }
    }
}
