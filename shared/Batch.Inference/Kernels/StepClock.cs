using System.Diagnostics;

namespace Batch.Inference.Kernels;

/// <summary>What an engine thread does.</summary>
internal enum StepPhase
{
    /// <summary>Waits for a request.</summary>
    Idle,

    /// <summary>Takes requests in and decides whose tokens are computed.</summary>
    Schedule,

    /// <summary>Matrix products.</summary>
    Products,

    Attention,

    /// <summary>Norms, activations and rotary positions.</summary>
    Kernels,

    /// <summary>What else the model takes: its inputs, embeddings, logits and the life of tensors.</summary>
    Model,

    Sampling,

    /// <summary>Hands tokens out: text, stops, the callers' channels.</summary>
    Update,
}

/// <summary>
/// Where the time of one thread's steps goes. Nobody but a benchmark starts one; without it a phase costs a look at the thread's own field. A phase inside another is
/// not counted in the outer one.
/// </summary>
internal sealed class StepClock
{
    [ThreadStatic]
    private static StepClock? _running;

    private readonly long[] _ticks = new long[Enum.GetValues<StepPhase>().Length];
    private StepPhase _phase;
    private long _since;

    /// <summary>Measures the calling thread from now on.</summary>
    public void Start() => (_running, _since) = (this, Stopwatch.GetTimestamp());

    /// <summary>Of the calling thread, until it is disposed of.</summary>
    public static Lap In(StepPhase phase) => new(_running, phase);

    /// <summary>Seconds in each phase so far, as <see cref="StepPhase"/> counts them. Any thread; the phase under way is not in it.</summary>
    public double[] Seconds() => Array.ConvertAll(_ticks, ticks => ticks / (double)Stopwatch.Frequency);

    private StepPhase Enter(StepPhase phase)
    {
        var now = Stopwatch.GetTimestamp();
        var before = _phase;
        _ticks[(int)before] += now - _since;
        (_phase, _since) = (phase, now);
        return before;
    }

    internal readonly ref struct Lap
    {
        private readonly StepClock? _clock;
        private readonly StepPhase _outer;

        public Lap(StepClock? clock, StepPhase phase)
        {
            _clock = clock;
            _outer = clock is null ? default : clock.Enter(phase);
        }

        public void Dispose() => _clock?.Enter(_outer);
    }
}
