using System.CommandLine;
using System.Diagnostics;
using System.Globalization;

namespace Batch.Benchmarks.Engine;

/// <summary>A process that loads a model, writes one token and says how long after its own start that was.</summary>
internal static class FirstTokenCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Hugging Face folder, or a shape's name: several fresh processes are measured then" };
        var dtype = new Argument<string>("dtype") { Description = "float32, bfloat16 or int8" };
        var command = new Command("first-token", "Seconds from this process's start to the first token of a model") { folder, dtype };
        command.SetAction(async (result, _) =>
        {
            if (ModelShape.All.FirstOrDefault(shape => shape.Name == result.GetValue(folder)) is { } shape)
            {
                await ModelShape.ForEachAsync([shape.Name], (_, written) => RepeatAsync(shape.Name, written, result.GetValue(dtype)!));
                return;
            }
            await using var engine = BenchmarkEngine.Load(result.GetValue(folder)!, result.GetValue(dtype)!);
            await engine.RunAsync(engine.Prompt(8), 1);
            using var process = Process.GetCurrentProcess();
            Console.WriteLine((TimeProvider.System.GetUtcNow() - process.StartTime.ToUniversalTime()).TotalSeconds.ToString(CultureInfo.InvariantCulture));
        });
        return command;
    }

    private static async Task RepeatAsync(string shape, string folder, string dtype)
    {
        for (var round = 0; round < 3; round++)
        {
            var seconds = await MeasureAsync(folder, dtype);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{shape} {dtype}: {seconds:F2} s from the start of a process to its first token"));
        }
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
