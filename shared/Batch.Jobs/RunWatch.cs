using Batch.Inference.Engine;
using Batch.Jobs.Runs;
using Batch.Jobs.Storage;

namespace Batch.Jobs;

/// <summary>
/// Beside a job's run: saves it and looks each second whether the job should stop, even while the engine has not yet given a token. <see cref="Stop"/> ends
/// the text when it should, when another run has taken the job over, or when the host shuts down.
/// </summary>
internal sealed class RunWatch : IAsyncDisposable
{
    private readonly JobRun _run;
    private readonly JobStore _store;
    private readonly TimeProvider _time;
    private readonly CheckpointLoop _loop;
    private readonly long _started;
    private bool _isLost;

    /// <param name="run">Whose job it is.</param>
    /// <param name="take">The run's checkpoint of now.</param>
    /// <param name="store">Where the job's row is.</param>
    /// <param name="options">When to save.</param>
    /// <param name="time">What time it is.</param>
    /// <param name="shutdown">The host shuts down.</param>
    public RunWatch(JobRun run, Func<RunCheckpoint> take, JobStore store, JobsOptions options, TimeProvider time, CancellationToken shutdown)
    {
        (_run, _store, _time, _started) = (run, store, time, time.GetTimestamp());
        _loop = new CheckpointLoop(run.Blob, () => [take()], LookAsync, options, options.JobPace, run.Job.Deaths, time, shutdown);
    }

    public CancellationToken Stop => _loop.Stop;

    /// <summary>The state to end in although the text is not finished.</summary>
    public JobState? StopState { get; private set; }

    /// <summary>When the first token came, from the start of the watch.</summary>
    public TimeSpan? FirstToken { get; private set; }

    public void Add(GenerationUpdate update)
    {
        FirstToken ??= _time.GetElapsedTime(_started);
        if (update.Drawn is not null)
        {
            _loop.Drawn();
        }
    }

    /// <summary>Throws <see cref="RunLostException"/> when another run has the job.</summary>
    public async Task RequireOwnedAsync()
    {
        if (_isLost || !await _loop.OwnsAsync(CancellationToken.None))
        {
            throw new RunLostException();
        }
    }

    /// <summary>After the run, on shutdown: leaves what there is to whoever goes on.</summary>
    public Task ReleaseAsync() => _loop.ReleaseAsync(deaths: 0, CancellationToken.None);

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    private async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        var row = await _store.FindAsync(_run.Job.Id, _run.Job.Tenant, cancellationToken);
        _isLost = row is null || !row.IsRunOf(_run.Job);
        StopState = _isLost ? null : row!.StopWanted(_time.GetUtcNow());
        return !_isLost && StopState is null;
    }
}

/// <summary>Another run has taken the job over; what this one did is of no account.</summary>
public sealed class RunLostException() : Exception("another run has taken the job over");
