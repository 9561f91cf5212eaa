using Azure;

namespace Batch.Jobs.Runs;

/// <summary>
/// Beside a run: writes its checkpoint, which shows how far it is, is what it goes on from elsewhere, and says that it lives. Each second the run is looked
/// after by <c>look</c>, too. <see cref="Stop"/> ends the run when that says so, when another run has taken over, or when the host shuts down.
/// </summary>
internal sealed class CheckpointLoop : IAsyncDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private readonly RunBlob _blob;
    private readonly Func<IReadOnlyList<RunCheckpoint>> _take;
    private readonly Func<CancellationToken, Task<bool>>? _look;
    private readonly JobsOptions _options;
    private readonly CheckpointPace _pace;
    private readonly TimeProvider _time;
    private readonly int _deaths;
    private readonly CancellationTokenSource _stop;
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _watching;
    private volatile TaskCompletionSource _due = NewDue();
    private int _unsaved; // draws
    private int _taken; // draws in the last checkpoint
    private long _renewed;
    private long _saved;

    /// <param name="blob">Where it is written.</param>
    /// <param name="take">The checkpoint of now.</param>
    /// <param name="look">Whether the run may go on.</param>
    /// <param name="options">How long the run lives without writing.</param>
    /// <param name="pace">When a checkpoint is due.</param>
    /// <param name="deaths">Runs before this one that ended without a word.</param>
    /// <param name="time">Monotonic; no wall clock matters.</param>
    /// <param name="shutdown">The host shuts down.</param>
    public CheckpointLoop(
        RunBlob blob, Func<IReadOnlyList<RunCheckpoint>> take, Func<CancellationToken, Task<bool>>? look, JobsOptions options, CheckpointPace pace, int deaths, TimeProvider time,
        CancellationToken shutdown)
    {
        (_blob, _take, _look, _options, _pace, _deaths, _time) = (blob, take, look, options, pace, deaths, time);
        (_renewed, _saved, _taken) = (time.GetTimestamp(), time.GetTimestamp(), DrawsOf(take()));
        _stop = CancellationTokenSource.CreateLinkedTokenSource(shutdown);
        _watching = WatchAsync(new PeriodicTimer(Period, time));
    }

    public CancellationToken Stop => _stop.Token;

    /// <summary>Another run has taken over: nothing that this one has is wanted any more.</summary>
    public bool IsLost { get; private set; }

    /// <summary>A token was drawn. Half of what may be lost is the time that writing it down may take.</summary>
    public void Drawn()
    {
        if (Interlocked.Increment(ref _unsaved) >= _pace.Tokens / 2)
        {
            _due.TrySetResult();
        }
    }

    /// <summary>After the run: leaves what there is to whoever goes on, at once.</summary>
    public async Task ReleaseAsync(int deaths, CancellationToken cancellationToken) =>
        IsLost |= !await _blob.WriteAsync(CheckpointFormat.Write(_take()), released: true, deaths, cancellationToken);

    /// <summary>Whether the run is still its own, looked up anew where that was not seen for half a lease: the process may have been paused.</summary>
    public async Task<bool> OwnsAsync(CancellationToken cancellationToken)
    {
        if (!IsLost && _time.GetElapsedTime(_renewed) >= _options.Lease / 2)
        {
            IsLost = !await _blob.WriteAsync(CheckpointFormat.Write(_take()), released: false, _deaths, cancellationToken);
        }

        return !IsLost;
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _watching;
        _stop.Dispose();
        _ended.Dispose();
    }

    private async Task WatchAsync(PeriodicTimer timer)
    {
        using var _ = timer;
        try
        {
            var tick = timer.WaitForNextTickAsync(_ended.Token).AsTask();
            for (var goesOn = true; goesOn && !IsLost;)
            {
                if (await Task.WhenAny(tick, _due.Task) == tick)
                {
                    await tick;
                    tick = timer.WaitForNextTickAsync(_ended.Token).AsTask();
                    goesOn = await LookAsync();
                }

                if (goesOn)
                {
                    await SaveAsync();
                }
            }
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            // The run ended first.
        }
        finally
        {
            await _stop.CancelAsync();
        }
    }

    private async Task<bool> LookAsync()
    {
        try
        {
            return _look is null || await _look(_ended.Token);
        }
        catch (Exception e) when (e is RequestFailedException or AggregateException)
        {
            // Storage had a bad moment, or was not reached in several tries. The text in the making is worth more than one look; the next comes in a second.
            return true;
        }
    }

    private async Task SaveAsync()
    {
        _ended.Token.ThrowIfCancellationRequested();
        var isDue = _due.Task.IsCompleted || (Volatile.Read(ref _unsaved) > 0 && _time.GetElapsedTime(_saved) >= _pace.Period);
        if (!isDue && _time.GetElapsedTime(_renewed) < _options.Lease / 3)
        {
            return;
        }

        _due = NewDue();
        Interlocked.Exchange(ref _unsaved, 0);
        var checkpoint = _take();
        _saved = _time.GetTimestamp();
        try
        {
            // A run that makes progress is not what made the ones before it die.
            var draws = DrawsOf(checkpoint);
            IsLost = !await _blob.WriteAsync(CheckpointFormat.Write(checkpoint), released: false, draws > _taken ? 0 : _deaths, _ended.Token);
            _renewed = _saved;
        }
        catch (Exception e) when (e is RequestFailedException or AggregateException)
        {
            Interlocked.Increment(ref _unsaved); // at the next period again
        }
    }

    private static int DrawsOf(IReadOnlyList<RunCheckpoint> runs) => runs.Sum(run => run.Draws);

    private static TaskCompletionSource NewDue() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>When a checkpoint is due.</summary>
/// <param name="Tokens">Most that are drawn again after a crash: a checkpoint is begun after half of them.</param>
/// <param name="Period">After the last one, where a token has come.</param>
internal readonly record struct CheckpointPace(int Tokens, TimeSpan Period);
