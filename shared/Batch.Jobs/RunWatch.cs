using System.Text;
using Azure;
using Batch.Inference.Engine;
using Batch.Jobs.Storage;

namespace Batch.Jobs;

/// <summary>
/// Beside a text that is being written: every second saves what there is and looks whether the job should stop, even while the engine has
/// not yet given a token. <see cref="Stop"/> ends the text when the job should stop, when the host shuts down, or when watching itself
/// fails, which <see cref="DisposeAsync"/> then throws.
/// </summary>
internal sealed class RunWatch : IAsyncDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly StringBuilder _text;
    private readonly int[] _completionTokens; // by choice
    private readonly Job _job;
    private readonly JobStore _store;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop;
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _watching;
    private readonly long _started;

    public RunWatch(Job job, JobStore store, TimeProvider time, string prefix, int choices, CancellationToken shutdown)
    {
        (_job, _store, _time, _text, _completionTokens) = (job, store, time, new StringBuilder(prefix), new int[choices]);
        _started = time.GetTimestamp();
        _stop = CancellationTokenSource.CreateLinkedTokenSource(shutdown);
        _watching = WatchAsync(new PeriodicTimer(Period, time));
    }

    public CancellationToken Stop => _stop.Token;

    /// <summary>The state to end in although the text is not finished.</summary>
    public JobState? StopState { get; private set; }

    /// <summary>When the first token came, from the start of the watch.</summary>
    public TimeSpan? FirstToken { get; private set; }

    /// <summary>The first choice's text and the tokens of all.</summary>
    public JobProgress Progress
    {
        get
        {
            lock (_lock)
            {
                return new JobProgress(_text.ToString(), _completionTokens.Sum());
            }
        }
    }

    public void Add(int choice, GenerationUpdate update)
    {
        lock (_lock)
        {
            FirstToken ??= _time.GetElapsedTime(_started);
            if (choice == 0)
            {
                update.ApplyTo(_text);
            }

            _completionTokens[choice] = update.CompletionTokens;
        }
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
            while (StopState is null)
            {
                await timer.WaitForNextTickAsync(_ended.Token);
                await LookAsync();
            }
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            // The text ended first.
        }
        finally
        {
            await _stop.CancelAsync();
        }
    }

    private async Task LookAsync()
    {
        try
        {
            if (Progress is { CompletionTokens: > 0 } progress)
            {
                await _store.WriteProgressAsync(_job, progress, _ended.Token);
            }

            StopState = (await _store.FindAsync(_job.Id, _job.Tenant, _ended.Token))?.StopWanted(_time.GetUtcNow());
        }
        catch (Exception e) when (e is RequestFailedException or AggregateException)
        {
            // Storage had a bad moment, or was not reached in several tries. The text in the making is worth more than one look; the next
            // comes in a second.
        }
    }
}
