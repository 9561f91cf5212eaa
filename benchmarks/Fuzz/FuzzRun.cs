using System.Diagnostics;
using CsCheck;

namespace Batch.Benchmarks.Fuzz;

/// <summary>Feeds one parser, and keeps what it took.</summary>
internal sealed class FuzzRun(FuzzTarget target)
{
    // A case may be slow because the machine is: what is far beyond any of these bounds is a bug of the parser.
    private const long MostBytes = 512L << 20;
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(20);

    private readonly Dictionary<string, string> _findings = [];
    private long _started;
    private volatile string _current = "";

    public FuzzTarget Target => target;

    public long Taken { get; private set; }

    public long Refused { get; private set; }

    public (TimeSpan Time, string Seed) Slowest { get; private set; } = (TimeSpan.Zero, "");

    public (long Bytes, string Seed) Largest { get; private set; } = (0, "");

    /// <summary>What went wrong, once for each place, with the first case.</summary>
    public IReadOnlyCollection<string> Findings => _findings.Values;

    /// <summary>The seed of the case that runs for longer than any may; null while none does.</summary>
    public string? Hanging => Interlocked.Read(ref _started) is > 0 and var started && Stopwatch.GetElapsedTime(started) > MostTime ? _current : null;

    /// <summary>The cases from a place in an endless row; the same place gives the same case on any machine.</summary>
    public void Run(ulong seed, long first, long count, CancellationToken cancellationToken)
    {
        for (var i = first; i < first + count && !cancellationToken.IsCancellationRequested; i++)
        {
            var name = $"{target.Name}:{seed}:{i}";
            var input = target.Inputs.Generate(new PCG((uint)i, seed), null, out _);
            Run(name, input);
        }
    }

    private void Run(string name, byte[] input)
    {
        _current = name;
        var before = GC.GetAllocatedBytesForCurrentThread();
        var started = Stopwatch.GetTimestamp();
        Interlocked.Exchange(ref _started, started);
        try
        {
            var taken = target.Read(input);
            (Taken, Refused) = taken ? (Taken + 1, Refused) : (Taken, Refused + 1);
        }
        catch (Exception e)
        {
            Refused++;
            Note($"{e.GetType()} {e.StackTrace}", $"{name} threw {e.GetType()}: {e.Message}\n{e.StackTrace}", input);
        }

        Interlocked.Exchange(ref _started, 0);
        var (time, bytes) = (Stopwatch.GetElapsedTime(started), GC.GetAllocatedBytesForCurrentThread() - before);
        Slowest = time > Slowest.Time ? (time, name) : Slowest;
        Largest = bytes > Largest.Bytes ? (bytes, name) : Largest;
        if (bytes > MostBytes)
        {
            Note("memory", $"{name} allocated {bytes >> 20} MB for {input.Length} bytes", input);
        }

        if (time > MostTime)
        {
            Note("time", $"{name} took {time.TotalSeconds:F1} s for {input.Length} bytes", input);
        }
    }

    private void Note(string place, string finding, byte[] input) =>
        _findings.TryAdd(place, $"{finding}\n  input: {Convert.ToBase64String(input.AsSpan(0, Math.Min(input.Length, 3000)))}");
}
