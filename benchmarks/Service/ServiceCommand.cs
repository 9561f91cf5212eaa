using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Batch.Benchmarks.Service;

/// <summary>Batches through the whole path, from upload to webhook-less end, on Azurite, with a model that answers at once.</summary>
internal static class ServiceCommand
{
    private const int UsualLine = 130;

    public static Command Create()
    {
        var lines = new Option<int[]>("--lines") { Description = "Lines of each batch, one batch after the other", DefaultValueFactory = _ => [100, 1000, 10_000, 50_000], AllowMultipleArgumentsPerToken = true };
        var megabytes = new Option<int>("--megabytes") { Description = "Size of each upload; 0 for lines of a short prompt" };
        var command = new Command("service", "Measure batches with an instant model: lines per second, storage requests per line, memory")
        {
            lines, megabytes, SharesCommand.Create(), SaturationCommand.Create(), WaitingCommand.Create(),
        };
        command.SetAction(async (given, cancellationToken) =>
        {
            await using var host = await BenchmarkHost.StartAsync(() => new InstantEngine(), [], cancellationToken);
            using var requests = new StorageRequests();
            await MeasureAsync(host, requests, 1, UsualLine, cancellationToken);
            Console.Out.WriteLine("lines    upload, s  seconds  lines/s  storage requests/line  processor, ms/line  the emulator's  memory before, MB  peak, MB");
            foreach (var count in given.GetValue(lines)!)
            {
                Console.Out.WriteLine(await MeasureAsync(host, requests, count, Math.Max(UsualLine, (int)(given.GetValue(megabytes) * 1_000_000L / count)), cancellationToken));
            }
        });
        return command;
    }

    private static async Task<string> MeasureAsync(BenchmarkHost host, StorageRequests requests, int count, int bytes, CancellationToken cancellationToken)
    {
        using var memory = new PeakMemory();
        var clock = Stopwatch.StartNew();
        var file = await host.UploadAsync(stream => WriteAsync(stream, count, bytes), cancellationToken);
        var uploaded = clock.Elapsed.TotalSeconds;
        var (before, worked, emulated) = (requests.Count, Environment.CpuUsage.TotalTime, ProcessorTime.Read().Emulator);
        clock.Restart();
        await host.CompletedAsync(await host.CreateAsync(file, 0, cancellationToken), TimeSpan.FromMilliseconds(count < 10_000 ? 100 : 500), cancellationToken);
        var (seconds, processor) = (clock.Elapsed.TotalSeconds, (Environment.CpuUsage.TotalTime - worked).TotalMilliseconds / count);
        return string.Create(CultureInfo.InvariantCulture, $"{count,-8} {uploaded,9:F1}  {seconds,7:F1}  {count / seconds,7:F0}  {(requests.Count - before) / (double)count,21:F2}  {processor,18:F2}  {(ProcessorTime.Read().Emulator - emulated).TotalMilliseconds / count,14:F2}  {memory.Before / 1e6,17:F0}  {memory.Peak / 1e6,8:F0}");
    }

    /// <summary>Lines of about <paramref name="bytes"/> bytes each.</summary>
    public static async Task WriteAsync(Stream stream, int count, int bytes, string begins = "Draft")
    {
        var filler = new string('x', Math.Max(0, bytes - UsualLine));
        await using var writer = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true);
        for (var i = 0; i < count; i++)
        {
            await writer.WriteAsync(string.Create(
                CultureInfo.InvariantCulture,
                $$$"""{"custom_id":"line-{{{i}}}","method":"POST","url":"/v1/completions","body":{"prompt":"{{{begins}}} number {{{i}}} about the market{{{filler}}}","max_tokens":64}}"""));
            await writer.WriteAsync('\n');
        }
    }
}
