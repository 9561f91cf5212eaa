using Batch.Inference.Engine;

namespace Batch.Jobs.Batches;

/// <summary>
/// How many lines of batches this process has in an engine at once: twice the rows of its batch, so that the next line is there when a row falls free, and not
/// all that the host has taken from the queue, since each slice that runs is kept alive by writes. Who waits comes in by priority, then in order; lines of a
/// lower priority take nobody's seat, as they take nobody's row.
/// </summary>
internal sealed class LineSeats
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<int, int> _taken = []; // lines by priority
    private readonly PriorityQueue<(TaskCompletionSource Entered, int Lines), (int Behind, long Order)> _waiting = new();
    private long _asked;

    /// <summary>Waits until there is a seat, and takes one for each line; gives them back as lines end, all that are left when disposed.</summary>
    /// <param name="engine">Where the lines will run; one that tells of no rows has seats for all.</param>
    /// <param name="priority">Of their batch.</param>
    /// <param name="lines">Of the slice.</param>
    /// <param name="cancellationToken">Gives up the place in line.</param>
    public async Task<SeatedLines> EnterAsync(LlmEngine engine, int priority, int lines, CancellationToken cancellationToken)
    {
        var seats = engine.Use.Seats is > 0 and var rows ? 2 * rows : int.MaxValue;
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            _waiting.Enqueue((entered, lines), (-priority, _asked++));
            LetIn(seats);
        }

        await using (cancellationToken.Register(() => entered.TrySetCanceled(cancellationToken)))
        {
            await entered.Task;
        }

        return new SeatedLines(lines, left => Leave(priority, left, seats));
    }

    private void Leave(int priority, int lines, int seats)
    {
        lock (_lock)
        {
            _taken[priority] -= lines;
            LetIn(seats);
        }
    }

    // Where the first in line finds no seat, nobody of its priority or a lower one does.
    private void LetIn(int seats)
    {
        while (_waiting.TryPeek(out var first, out var place) && TakenFrom(-place.Behind) < seats)
        {
            _waiting.Dequeue();
            if (first.Entered.TrySetResult())
            {
                _taken[-place.Behind] = _taken.GetValueOrDefault(-place.Behind) + first.Lines;
            }
        }
    }

    private int TakenFrom(int priority)
    {
        var sum = 0;
        foreach (var (other, lines) in _taken)
        {
            sum += other >= priority ? lines : 0;
        }

        return sum;
    }
}

/// <summary>Lines of a slice that have seats.</summary>
internal sealed class SeatedLines(int lines, Action<int> leave) : IDisposable
{
    private int _left = lines;

    /// <summary>One of them has ended.</summary>
    public void Leave()
    {
        Interlocked.Decrement(ref _left);
        leave(1);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _left, 0) is > 0 and var left)
        {
            leave(left);
        }
    }
}
