using System.Diagnostics;
using Batch.Inference.Engine;

namespace Batch.Benchmarks.Service;

/// <summary>How fast an engine was while it was full, from a fifth of the tokens to four fifths, so that neither the start nor the end counts.</summary>
/// <param name="Tokens">Drawn.</param>
/// <param name="Time">Passed.</param>
/// <param name="Rows">Sequences in the engine's batch, the mean of many looks.</param>
/// <param name="Processor">Taken.</param>
internal readonly record struct FullEngine(long Tokens, TimeSpan Time, double Rows, ProcessorTime Processor)
{
    private const double Edge = 0.2;

    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(10);

    public double TokensPerSecond => Tokens / Time.TotalSeconds;

    /// <summary>Of all processors: what the emulator of the storage took.</summary>
    public double EmulatorShare => ShareOf(Processor.Emulator);

    /// <summary>Tokens a second of processor time that this process took.</summary>
    public double TokensPerProcessorSecond => Tokens / (Processor.Engine + Processor.Rest).TotalSeconds;

    public double MicrosecondsOf(TimeSpan time) => time.TotalMicroseconds / Tokens;

    public double ShareOf(TimeSpan time) => time / Time / Environment.ProcessorCount;

    public static FullEngine operator +(FullEngine left, FullEngine right) => new(
        left.Tokens + right.Tokens, left.Time + right.Time, ((left.Rows * left.Time) + (right.Rows * right.Time)) / (left.Time + right.Time), left.Processor + right.Processor);

    /// <param name="engine">With nothing else to do.</param>
    /// <param name="tokens">That <paramref name="run"/> has it draw.</param>
    /// <param name="run">The work.</param>
    public static async Task<FullEngine> MeasureAsync(LlmEngine engine, long tokens, Func<Task> run)
    {
        var (from, to) = (engine.DrawnTokens + (long)(tokens * Edge), engine.DrawnTokens + (long)(tokens * (1 - Edge)));
        var running = run();
        await UntilAsync(from, () => { });
        var (clock, first, processor, looks, rows) = (Stopwatch.StartNew(), engine.DrawnTokens, ProcessorTime.Read(), 0, 0L);
        await UntilAsync(to, () => (looks, rows) = (looks + 1, rows + engine.Use.Running));
        var full = new FullEngine(engine.DrawnTokens - first, clock.Elapsed, (double)rows / looks, ProcessorTime.Read() - processor);
        await running;
        return full;

        async Task UntilAsync(long drawn, Action look)
        {
            while (engine.DrawnTokens < drawn && !running.IsFaulted)
            {
                look();
                await Task.Delay(Period);
            }
        }
    }
}
