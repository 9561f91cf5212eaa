using System.Text.Json;
using Azure;
using Azure.Storage.Queues.Models;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Batches;

/// <summary>
/// Moves all batches along, a turn at a time: gathers what ended, ends what is over, admits what comes next, tells what is to be told. A
/// turn is asked for by a message; while there is something to wait for, each turn leaves the message of the next, and when there is nothing
/// no message is left and nothing runs.
/// </summary>
public sealed partial class BatchDispatcher(
    BatchStore store, BatchBlobs blobs, BatchQueues queues, BatchValidator validator, BatchCollector collector, BatchEvents events,
    DispatchTurns turns, IOptions<BatchOptions> options, TimeProvider time, ILogger<BatchDispatcher> logger)
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan WhileFull = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LongestWhileRunning = TimeSpan.FromSeconds(10);

    // A batch whose message to be validated was lost, or whose validation died, is validated again after so long.
    private static readonly TimeSpan ValidationPatience = TimeSpan.FromMinutes(5);

    private const int AtOnce = 8;

    private static readonly TimeSpan Slack = TimeSpan.FromMinutes(1);

    public async Task ProcessAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var asked = Read(message);
        if (asked is { Tenant: { } tenant, Validate: { } id })
        {
            await validator.ValidateAsync(tenant, id, time, cancellationToken);
        }

        var turn = await turns.TryTakeAsync(asked.Turn, message.MessageId, cancellationToken);
        while (turn is not null)
        {
            var served = DispatchTurns.ServedOf(turn);
            var (delay, moved) = await RunAsync(turn.Patience, served, cancellationToken);
            turn = turn with { Served = JsonSerializer.Serialize(served), Patience = moved ? 0 : Math.Min(turn.Patience + 1, LongestWhileRunning.TotalSeconds) };
            turn = await turns.ReleaseAsync(turn, delay, cancellationToken);
        }
    }

    /// <summary>A message was given up: a batch that could not be validated fails, a turn is asked for anew.</summary>
    public async Task GiveUpAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        if (Read(message) is { Tenant: { } tenant, Validate: { } id } && await store.FindAsync(tenant, id, cancellationToken) is { } row)
        {
            var error = new BatchError("internal_error", "the input could not be validated in several tries; create the batch again", null, null);
            await store.UpdateAsync(row, r => r.Fail([error], time.GetUtcNow()), cancellationToken);
        }

        await queues.WakeAsync(Slack, cancellationToken);
    }

    /// <summary>Asks for a turn where one should have come and did not: what a process that died had in hand.</summary>
    public async Task WatchAsync(CancellationToken cancellationToken)
    {
        if (await store.HasActiveAsync(cancellationToken) && await turns.IsOverdueAsync(Slack, cancellationToken))
        {
            await queues.WakeAsync(TimeSpan.Zero, cancellationToken);
        }
    }

    private async Task<(TimeSpan? Delay, bool Moved)> RunAsync(double patience, Dictionary<string, double> served, CancellationToken cancellationToken)
    {
        var (active, moved) = (new List<BatchRow>(), false);
        await foreach (var row in store.ListActiveAsync(cancellationToken))
        {
            var now = await IsolatedAsync(row, () => AdvanceAsync(row, cancellationToken));
            moved |= now is null || now.ETag != row.ETag;
            if ((now ?? row) is { IsFinal: false } open)
            {
                active.Add(open);
            }
        }

        var (admitted, queue) = await AdmitAsync(active, served, cancellationToken);
        moved |= admitted;
        var delay = DelayUntilNext(active, Math.Max(moved ? 0 : patience, queue == QueueLevel.Full ? WhileFull.TotalSeconds : 0));
        return (queue == QueueLevel.Empty ? TimeSpan.Zero : delay, moved);
    }

    // What is wrong with one batch keeps no other from moving; the next turn tries it again.
    private async Task<BatchRow?> IsolatedAsync(BatchRow row, Func<Task<BatchRow?>> advance)
    {
        try
        {
            return await advance();
        }
        catch (Exception e) when (e is RequestFailedException or InvalidDataException)
        {
            LogStuck(e, row.Id);
            return row;
        }
    }

    private async Task<BatchRow?> AdvanceAsync(BatchRow row, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (row.State == BatchState.Validating && now < row.ExpiresAt)
        {
            if (now - row.CreatedAt > ValidationPatience && (int)(now - row.CreatedAt).TotalMinutes % (int)ValidationPatience.TotalMinutes == 0)
            {
                await queues.ValidateAsync(row, cancellationToken);
            }

            return row;
        }

        var current = now >= row.ExpiresAt ? await store.UpdateAsync(row, r => r.Expire(now), cancellationToken) : row;
        current = await collector.AdvanceAsync(current, cancellationToken);
        if (current is { IsFinal: true })
        {
            current = await events.PublishAsync(current, cancellationToken);

            // Checkpoint: told. A crash before it tells again, under the same id.
            await collector.CleanAsync(current, cancellationToken);
            await store.RetireAsync(current, cancellationToken);
        }

        return current;
    }

    private async Task<(bool Admitted, QueueLevel Queue)> AdmitAsync(List<BatchRow> active, Dictionary<string, double> served, CancellationToken cancellationToken)
    {
        var admission = new Admission(active, served, options.Value);
        if (admission.Candidates.Count == 0)
        {
            return (false, QueueLevel.Full);
        }

        var running = await queues.CountRunningAsync(cancellationToken);
        var room = options.Value.Window - running;
        var taken = new Dictionary<string, (BatchRow Row, IReadOnlyList<Slice> Slices, int Count)>(StringComparer.Ordinal);
        var messages = new List<SliceMessage>();
        while (room-- > 0 && admission.Next() is { } row)
        {
            var (_, slices, count) = taken.GetValueOrDefault(row.Id);
            slices ??= await blobs.ReadIndexAsync(row, row.Admitted, Math.Min(options.Value.Window, row.Slices - row.Admitted), cancellationToken);
            messages.Add(new SliceMessage(row.Tenant, row.Id, row.Admitted + count, slices[count], row.Traceparent));
            admission.Take(row, slices[count].Tokens, isLast: row.Admitted + ++count == row.Slices);
            taken[row.Id] = (row, slices, count);
        }

        await Parallel.ForEachAsync(
            messages, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (message, token) => await queues.RunAsync(message, token));
        foreach (var (row, slices, count) in taken.Values)
        {
            // After the messages: a crash between them puts slices on the queue twice, and each still counts once.
            var written = await store.UpdateAsync(
                row,
                r => r.Admitted != row.Admitted ? r : r with { Admitted = r.Admitted + count, AdmittedTokens = r.AdmittedTokens + slices.Take(count).Sum(slice => slice.Tokens) },
                cancellationToken);
            active[active.FindIndex(r => r.Id == row.Id)] = written;
        }

        var level = admission.Next() is null || running > options.Value.Window / 2 ? QueueLevel.Full : running > options.Value.Window / 8 ? QueueLevel.Low : QueueLevel.Empty;
        return (taken.Count > 0, level);
    }

    // Of the work queue before a turn filled it. When it was as good as empty and there is more to admit than it may hold, slices end faster than turns come, and
    // the next turn comes at once; while it stays half full, or has all there is, turns may be rare.
    private enum QueueLevel
    {
        Full,
        Low,
        Empty,
    }

    // Slices that run will tell when they end, so looking for them is for the case that they cannot; deadlines are known.
    private TimeSpan? DelayUntilNext(List<BatchRow> active, double patience)
    {
        if (active.Count == 0)
        {
            return null;
        }

        var isRunning = active.Any(row => row.State == BatchState.Validating || row.Ending is not null || row.CollectedSlices < row.Admitted || Admission.IsCandidate(row));
        var untilDeadline = active.Min(row => row.ExpiresAt) - time.GetUtcNow();
        var delay = isRunning && untilDeadline > LongestWhileRunning ? TimeSpan.FromSeconds(Math.Clamp(patience, 1, LongestWhileRunning.TotalSeconds)) : untilDeadline;
        return delay < Shortest ? Shortest : delay;
    }

    private static DispatchMessage Read(QueueMessage message) => message.Body.ToObjectFromJson<DispatchMessage>(JobJson.Options)
        ?? throw new JsonException("a message on batch-dispatch must be an object, was null");

    [LoggerMessage(LogLevel.Error, "Batch {BatchId} does not move; the next turn tries again")]
    private partial void LogStuck(Exception exception, string batchId);
}
