using System.CommandLine;
using System.Diagnostics;
using System.Globalization;

namespace Batch.Benchmarks.Engine;

/// <summary>A process that loads a model, writes one token and says how long after its own start that was.</summary>
internal static class FirstTokenCommand
{
    public static Command Create()
    {
        var (folder, dtype) = (new Argument<string>("folder"), new Argument<string>("dtype"));
        var command = new Command("first-token", "Seconds from this process's start to the first token of a model") { folder, dtype };
        command.SetAction(async (result, _) =>
        {
            await using var engine = BenchmarkEngine.Load(result.GetValue(folder)!, result.GetValue(dtype)!);
            await engine.RunAsync(engine.Prompt(8), 1);
            using var process = Process.GetCurrentProcess();
            Console.WriteLine((TimeProvider.System.GetUtcNow() - process.StartTime.ToUniversalTime()).TotalSeconds.ToString(CultureInfo.InvariantCulture));
        });
        return command;
    }

    /// <summary>The same in a process of its own.</summary>
    public static async Task<double> MeasureAsync(string folder, string dtype)
    {
        string[] arguments = [typeof(FirstTokenCommand).Assembly.Location, "first-token", folder, dtype];
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? double.Parse(output, CultureInfo.InvariantCulture) : throw new InvalidOperationException($"first-token ended with {process.ExitCode}");
    }
}
