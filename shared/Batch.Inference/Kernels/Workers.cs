using System.Diagnostics;
using static TorchSharp.torch;

namespace Batch.Inference.Kernels;

/// <summary>
/// Threads that share the work of one kernel. A step of a small model is hundreds of pieces of a few microseconds: the threads wait for the next piece awake,
/// and sleep when none comes for a while. Who waits for them computes along, so a thread that the system holds back delays nobody. Any thread may call;
/// while one caller's work is on, another computes his own by himself.
/// </summary>
internal static class Workers
{
    private static readonly long AwakeTicks = Stopwatch.Frequency / 5000; // 0.2 ms
    private static readonly Lock Starting = new();
    private static readonly SemaphoreSlim Wake = new(0);
    private static volatile Job? _current;
    private static volatile int _started;
    private static int _busy, _asleep;

    /// <summary>Calls <paramref name="body"/> once for each of 0 to <paramref name="items"/> - 1, in any order, on as many threads as libtorch is set to.</summary>
    public static void For(int items, Action<int> body)
    {
        var helpers = Math.Min(get_num_threads(), items) - 1;
        if (helpers <= 0 || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            for (var i = 0; i < items; i++)
            {
                body(i);
            }
            return;
        }
        try
        {
            Start(helpers);
            var job = new Job(items, helpers, body);
            _current = job;
            Interlocked.MemoryBarrier();
            WakeUp(helpers);
            job.Work();
            job.WaitForAll();
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    private static void Start(int wanted)
    {
        if (_started >= wanted)
        {
            return;
        }
        lock (Starting)
        {
            for (; _started < wanted; _started++)
            {
                new Thread(Loop) { Name = "Kernel worker", IsBackground = true }.Start();
            }
        }
    }

    private static void Loop()
    {
        Job? last = null;
        var awakeUntil = Stopwatch.GetTimestamp() + AwakeTicks;
        while (true)
        {
            var job = _current;
            if (job != last)
            {
                last = job;
                job?.Help();
                awakeUntil = Stopwatch.GetTimestamp() + AwakeTicks;
            }
            else if (Stopwatch.GetTimestamp() < awakeUntil)
            {
                Thread.SpinWait(2);
            }
            else
            {
                Interlocked.Increment(ref _asleep);
                if (_current == last || !TakeSleeper()) // a job that came meanwhile either finds us asleep or is found by us
                {
                    Wake.Wait();
                }
            }
        }
    }

    private static void WakeUp(int wanted)
    {
        for (; wanted > 0 && TakeSleeper(); wanted--)
        {
            Wake.Release();
        }
    }

    private static bool TakeSleeper()
    {
        for (var n = Volatile.Read(ref _asleep); n > 0; n = Volatile.Read(ref _asleep))
        {
            if (Interlocked.CompareExchange(ref _asleep, n - 1, n) == n)
            {
                return true;
            }
        }
        return false;
    }

    private sealed class Job(int items, int helpers, Action<int> body)
    {
        private int _places = helpers;
        private int _next;
        private int _done;
        private Exception? _error;

        public void Help()
        {
            if (Interlocked.Decrement(ref _places) >= 0)
            {
                Work();
            }
        }

        public void Work()
        {
            for (var i = Interlocked.Increment(ref _next) - 1; i < items; i = Interlocked.Increment(ref _next) - 1)
            {
                try
                {
                    body(i);
                }
                catch (Exception e)
                {
                    _error = e; // thrown to the caller below
                }
                Interlocked.Increment(ref _done);
            }
        }

        public void WaitForAll()
        {
            for (var spins = 0; Volatile.Read(ref _done) < items; spins++)
            {
                if (spins < 1000)
                {
                    Thread.SpinWait(1);
                }
                else
                {
                    Thread.Yield();
                }
            }
            if (_error is not null)
            {
                throw new InvalidOperationException("A kernel failed", _error);
            }
        }
    }
}
