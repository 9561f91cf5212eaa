using System.Diagnostics;

namespace Batch.Benchmarks.Service;

/// <summary>This process's working set, looked at twenty times a second.</summary>
internal sealed class PeakMemory : IDisposable
{
    private readonly Timer _timer;
    private long _peak;

    public PeakMemory()
    {
        GC.Collect();
        Before = _peak = WorkingSet();
        _timer = new Timer(_ => _peak = Math.Max(_peak, WorkingSet()), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(50));
    }

    public long Before { get; }

    public long Peak => Math.Max(_peak, WorkingSet());

    public void Dispose() => _timer.Dispose();

    private static long WorkingSet()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
