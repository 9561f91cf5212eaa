using Azure;

namespace Batch.Jobs.Batches;

/// <summary>
/// Beside the slices that this process runs: looks every two seconds, once for each batch and not for each slice, whether a batch was
/// cancelled, and knows when it expires.
/// </summary>
public sealed class BatchWatch(BatchStore store, TimeProvider time)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, WatchedBatch> _batches = [];

    /// <summary>The batch's row, as it was seen last where slices of it run here.</summary>
    internal async Task<BatchRow?> FindAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_batches.TryGetValue(id, out var watched))
            {
                return watched.Row;
            }
        }

        return await store.FindAsync(tenant, id, cancellationToken);
    }

    /// <summary>Watches the batch until as many have left as entered.</summary>
    internal WatchedBatch Enter(BatchRow row)
    {
        lock (_lock)
        {
            if (!_batches.TryGetValue(row.Id, out var watched))
            {
                _batches[row.Id] = watched = new WatchedBatch(row);
                watched.Watching = WatchAsync(watched);
            }

            watched.Inside++;
            watched.See(row, time.GetUtcNow());
            return watched;
        }
    }

    /// <summary>Gives whether this process now runs no slice of any batch.</summary>
    internal bool Leave(WatchedBatch watched)
    {
        lock (_lock)
        {
            if (--watched.Inside == 0)
            {
                _batches.Remove(watched.Row.Id);
                watched.Dispose();
            }

            return _batches.Count == 0;
        }
    }

    private async Task WatchAsync(WatchedBatch watched)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            while (watched.Ending is null && await timer.WaitForNextTickAsync(watched.Left))
            {
                await LookAsync(watched);
            }
        }
        catch (OperationCanceledException) when (watched.Left.IsCancellationRequested)
        {
            // Nobody runs a slice of it any more.
        }
    }

    private async Task LookAsync(WatchedBatch watched)
    {
        try
        {
            var row = await store.FindAsync(watched.Row.Tenant, watched.Row.Id, watched.Left) ?? watched.Row;
            lock (_lock)
            {
                watched.See(row, time.GetUtcNow());
            }
        }
        catch (Exception e) when (e is RequestFailedException or AggregateException)
        {
            // Storage had a bad moment; the texts in the making are worth more than one look.
        }
    }
}

/// <summary>A batch of which this process runs slices.</summary>
internal sealed class WatchedBatch : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _left = new();

    public WatchedBatch(BatchRow row) => (Row, Stop, Left) = (row, _stop.Token, _left.Token);

    /// <summary>As it was seen last.</summary>
    public BatchRow Row { get; private set; }

    /// <summary>How lines that run are to end; null while they may go on.</summary>
    public LineState? Ending { get; private set; }

    /// <summary>Ends the texts of the batch.</summary>
    public CancellationToken Stop { get; }

    internal CancellationToken Left { get; }

    internal int Inside { get; set; }

    internal Task Watching { get; set; } = Task.CompletedTask;

    internal void See(BatchRow now, DateTimeOffset at)
    {
        Row = now;
        Ending ??= now.Ending ?? (now.State == BatchState.Cancelled ? LineState.Cancelled : Row.ExpiresAt <= at ? LineState.Expired : null);
        if (Ending is not null)
        {
            _stop.Cancel();
        }
    }

    public void Dispose()
    {
        _left.Cancel();
        _left.Dispose();
        _stop.Dispose();
    }
}
