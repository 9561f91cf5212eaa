using System.Diagnostics;
using System.Globalization;

namespace Batch.Benchmarks.Service;

/// <summary>Processor time so far, by who took it. Linux only; elsewhere none.</summary>
/// <param name="Engine">The engine's thread and those of its kernels, in this process.</param>
/// <param name="Rest">All other threads of this process: queues, storage, HTTP, garbage collection.</param>
/// <param name="Emulator">The processes that this one started: Azurite, which is not there in Azure.</param>
internal readonly record struct ProcessorTime(TimeSpan Engine, TimeSpan Rest, TimeSpan Emulator)
{
    // Ticks a second in /proc, on every Linux that .NET runs on.
    private const int Ticks = 100;

    private static readonly string[] EngineThreads = ["LlmEngine", "Kernel worker"];

    public static ProcessorTime Read()
    {
        if (!OperatingSystem.IsLinux())
        {
            return default;
        }

        var engine = Sum(Directory.GetDirectories("/proc/self/task"), stat => EngineThreads.Contains(stat.Name));
        var emulator = Sum(Process.GetProcessesByName("node").Select(process => $"/proc/{process.Id}"), stat => stat.Parent == Environment.ProcessId);
        return new ProcessorTime(engine, Environment.CpuUsage.TotalTime - engine, emulator);
    }

    public static ProcessorTime operator -(ProcessorTime left, ProcessorTime right) =>
        new(left.Engine - right.Engine, left.Rest - right.Rest, left.Emulator - right.Emulator);

    public static ProcessorTime operator +(ProcessorTime left, ProcessorTime right) =>
        new(left.Engine + right.Engine, left.Rest + right.Rest, left.Emulator + right.Emulator);

    private static TimeSpan Sum(IEnumerable<string> folders, Func<(string Name, int Parent, TimeSpan Time), bool> counts) =>
        folders.Select(folder => Find($"{folder}/stat")).Aggregate(TimeSpan.Zero, (sum, stat) => stat is { } found && counts(found) ? sum + found.Time : sum);

    // Null for one that has ended. A name may hold anything, and ends with the last parenthesis.
    private static (string Name, int Parent, TimeSpan Time)? Find(string file)
    {
        try
        {
            var text = File.ReadAllText(file);
            var end = text.LastIndexOf(')');
            var fields = text[(end + 2)..].Split(' ');
            var ticks = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
            return (text[(text.IndexOf('(', StringComparison.Ordinal) + 1)..end], int.Parse(fields[1], CultureInfo.InvariantCulture), TimeSpan.FromSeconds(ticks / (double)Ticks));
        }
        catch (IOException)
        {
            return null;
        }
    }
}
