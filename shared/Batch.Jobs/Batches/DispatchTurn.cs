using System.Text.Json;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>
/// The one row by which dispatchers take turns. Everything a turn does is safe to do twice, so this is about cost and order, not about
/// right and wrong: who dies in his turn loses it after a while.
/// </summary>
internal sealed record DispatchTurn : ITableEntity
{
    public const string Partition = "the dispatcher";
    public const string Row = "turn";

    public string PartitionKey { get; set; } = Partition;
    public string RowKey { get; set; } = Row;
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    /// <summary>The turn to come; messages of earlier ones are void.</summary>
    public long Turn { get; set; }

    /// <summary>When the message of the turn to come is seen; null when none is on its way.</summary>
    public DateTimeOffset? Due { get; set; }
    public string? Holder { get; set; }
    public DateTimeOffset? HeldUntil { get; set; }

    /// <summary>Somebody asked for a turn while it was held: the holder goes round once more.</summary>
    public bool AskedAgain { get; set; }

    /// <summary>Seconds that the last turns waited in vain.</summary>
    public double Patience { get; set; }

    /// <summary>What each tenant was given, by its weight, as JSON.</summary>
    public string? Served { get; set; }
}

/// <summary>Takes turns and gives them back.</summary>
public sealed class DispatchTurns(StorageClients clients, BatchQueues queues, TimeProvider time)
{
    private static readonly TimeSpan HoldTime = TimeSpan.FromMinutes(2);

    private readonly TableClient _rows = clients.Tables.GetTableClient(BatchStore.BatchesTable);

    /// <summary>Null when <paramref name="turn"/> is past, or when another holds the turn, who will then go round again.</summary>
    internal async Task<DispatchTurn?> TryTakeAsync(long? turn, string holder, CancellationToken cancellationToken)
    {
        while (true)
        {
            var row = await FindAsync(cancellationToken);
            if (turn < row.Turn)
            {
                return null;
            }

            var now = time.GetUtcNow();
            var isHeld = row.Holder is not null && row.Holder != holder && row.HeldUntil > now;
            var taken = isHeld ? row with { AskedAgain = true } : row with { Holder = holder, HeldUntil = now + HoldTime, AskedAgain = false };
            if (await TryWriteAsync(taken, cancellationToken) is { } written)
            {
                return isHeld ? null : written;
            }
        }
    }

    /// <summary>
    /// Ends the turn, with the next one on its way unless <paramref name="delay"/> is null. Gives the turn back when somebody asked for
    /// another meanwhile, else null.
    /// </summary>
    internal async Task<DispatchTurn?> ReleaseAsync(DispatchTurn turn, TimeSpan? delay, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (delay is { } wait)
        {
            // Before the row: a crash between them takes this turn once more, the other order could leave none.
            await queues.ScheduleTurnAsync(turn.Turn + 1, wait, cancellationToken);
        }

        var released = turn with { Turn = turn.Turn + 1, Due = now + delay, Holder = null, HeldUntil = null };
        while (true)
        {
            if (await TryWriteAsync(released, cancellationToken) is not null)
            {
                return null;
            }

            var row = await FindAsync(cancellationToken);
            if (row.Holder != turn.Holder)
            {
                // It took so long that another went on.
                return null;
            }

            if (row.AskedAgain)
            {
                var again = turn with { ETag = row.ETag, AskedAgain = false, HeldUntil = now + HoldTime };
                if (await TryWriteAsync(again, cancellationToken) is { } written)
                {
                    return written;
                }
            }

            released = released with { ETag = row.ETag };
        }
    }

    /// <summary>Whether a turn should have come and did not, or is held by nobody alive, or none is on its way.</summary>
    internal async Task<bool> IsOverdueAsync(TimeSpan slack, CancellationToken cancellationToken)
    {
        var (row, now) = (await FindAsync(cancellationToken), time.GetUtcNow());
        return !(row.HeldUntil > now) && !(row.Due + slack > now);
    }

    internal static Dictionary<string, double> ServedOf(DispatchTurn turn) =>
        turn.Served is null ? [] : JsonSerializer.Deserialize<Dictionary<string, double>>(turn.Served)!;

    private async Task<DispatchTurn> FindAsync(CancellationToken cancellationToken)
    {
        var row = await _rows.GetEntityIfExistsAsync<DispatchTurn>(DispatchTurn.Partition, DispatchTurn.Row, cancellationToken: cancellationToken);
        return row.HasValue ? row.Value! : new DispatchTurn();
    }

    private async Task<DispatchTurn?> TryWriteAsync(DispatchTurn row, CancellationToken cancellationToken)
    {
        try
        {
            var written = row.ETag == default
                ? await _rows.AddEntityAsync(row, cancellationToken)
                : await _rows.UpdateEntityAsync(row, row.ETag, TableUpdateMode.Replace, cancellationToken);
            return row with { ETag = written.Headers.ETag.GetValueOrDefault() };
        }
        catch (RequestFailedException e) when (e.Status is 409 or 412)
        {
            return null;
        }
    }
}
