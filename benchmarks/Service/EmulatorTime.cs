using System.Diagnostics;
using System.Globalization;

namespace Batch.Benchmarks.Service;

/// <summary>Processor time of the processes that this one started: of Azurite, which is not there in Azure. Linux only; elsewhere none.</summary>
internal static class EmulatorTime
{
    public static TimeSpan Read()
    {
        var sum = TimeSpan.Zero;
        foreach (var process in Process.GetProcessesByName("node").Where(process => ParentOf(process.Id) == Environment.ProcessId))
        {
            using (process)
            {
                sum += process.TotalProcessorTime;
            }
        }

        return sum;
    }

    // The name in it may hold anything, and ends with the last parenthesis.
    private static int ParentOf(int id)
    {
        var stat = $"/proc/{id}/stat";
        return File.Exists(stat) && File.ReadAllText(stat) is var text ? int.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture) : 0;
    }
}
