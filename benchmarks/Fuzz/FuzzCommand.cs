using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using CsCheck;

namespace Batch.Benchmarks.Fuzz;

/// <summary>Feeds every parser at the edge with changed valid documents, and says what they did.</summary>
internal static class FuzzCommand
{
    public static Command Create()
    {
        var inputs = new Option<long>("--inputs") { Description = "How many in total, shared out between the parsers", DefaultValueFactory = _ => 100_000 };
        var skip = new Option<long>("--skip") { Description = "Begin after so many, to go on where another run ended" };
        var seed = new Option<ulong>("--seed") { Description = "Of the row of cases", DefaultValueFactory = _ => 1 };
        var only = new Option<string[]>("--only") { Description = "These parsers alone", AllowMultipleArgumentsPerToken = true };
        var one = new Option<string>("--case") { Description = "Only the case of this name, as a table or finding gives it, and its input" };
        var command = new Command("fuzz", "Feed every parser at the edge; fails on a crash, a hang or a case that takes too much memory") { inputs, skip, seed, only, one };
        command.SetAction((given, cancellationToken) => given.GetValue(one) is { } name ? ShowAsync(name, cancellationToken) : RunAsync(given.GetValue(inputs), given.GetValue(skip), given.GetValue(seed), given.GetValue(only) ?? [], cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(long inputs, long skip, ulong seed, string[] only, CancellationToken cancellationToken)
    {
        using var targets = new FuzzTargets();
        var chosen = targets.All.Where(target => only.Length == 0 || only.Contains(target.Name)).ToList();
        var shares = (double)chosen.Sum(target => target.Share);
        var clock = Stopwatch.StartNew();
        Console.Out.WriteLine("parser              inputs    taken  refused  slowest, ms  largest, KB  seconds  cases");
        var (total, findings) = (0L, 0);
        foreach (var target in chosen)
        {
            long Part(long whole) => (long)(whole * (target.Share / shares));
            var run = new FuzzRun(target);
            var started = clock.Elapsed;
            await FinishAsync(run, seed, Part(skip), Part(skip + inputs) - Part(skip), cancellationToken);
            var done = run.Taken + run.Refused;
            (total, findings) = (total + done, findings + run.Findings.Count);
            Console.Out.WriteLine(
                $"{target.Name,-16} {done,9} {run.Taken,8} {run.Refused,8} {run.Slowest.Time.TotalMilliseconds,12:F1} {run.Largest.Bytes / 1024,12} {(clock.Elapsed - started).TotalSeconds,8:F1}  {run.Slowest.Seed} {run.Largest.Seed}");
            foreach (var finding in run.Findings)
            {
                Console.Out.WriteLine(finding);
            }
        }

        using var process = Process.GetCurrentProcess();
        Console.Out.WriteLine($"{total} inputs, {findings} findings, {clock.Elapsed.TotalSeconds:F0} s, peak memory {process.PeakWorkingSet64 >> 20} MB");
        return findings == 0 ? 0 : 1;
    }

    private static async Task<int> ShowAsync(string name, CancellationToken cancellationToken)
    {
        using var targets = new FuzzTargets();
        var parts = name.Split(':');
        var target = targets.All.Single(each => each.Name == parts[0]);
        var (seed, index) = (ulong.Parse(parts[1], CultureInfo.InvariantCulture), long.Parse(parts[2], CultureInfo.InvariantCulture));
        Console.Out.WriteLine(Encoding.Latin1.GetString(target.Inputs.Generate(new PCG((uint)index, seed), null, out _)));
        var run = new FuzzRun(target);
        await FinishAsync(run, seed, index, 1, cancellationToken);
        Console.Out.WriteLine($"{run.Taken} taken, {run.Slowest.Time.TotalMilliseconds:F1} ms, {run.Largest.Bytes / 1024} KB\n{string.Join('\n', run.Findings)}");
        return run.Findings.Count == 0 ? 0 : 1;
    }

    // On a thread of its own with a stack no larger than a pool's, watched by this one.
    private static async Task FinishAsync(FuzzRun run, ulong seed, long first, long count, CancellationToken cancellationToken)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(
            () =>
            {
                run.Run(seed, first, count, cancellationToken);
                ended.SetResult();
            },
            maxStackSize: 1 << 20)
        { IsBackground = true };
        thread.Start();
        while (await Task.WhenAny(ended.Task, Task.Delay(TimeSpan.FromSeconds(1), CancellationToken.None)) != ended.Task)
        {
            if (run.Hanging is { } name)
            {
                Console.Out.WriteLine($"{name} does not end");
                Environment.Exit(2);
            }
        }
    }
}
