using System.Globalization;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Retention;

/// <summary>
/// What will have to be removed one day, by kind and day in table <c>expiries</c>, so that the sweeper reads what is due and nothing else. An entry is written before the thing that it names
/// and deleted after it: nothing can be there without one, whenever a process dies.
/// </summary>
internal sealed class ExpiryIndex(StorageClients clients)
{
    public const string ExpiriesTable = "expiries";

    private readonly TableClient _rows = clients.Tables.GetTableClient(ExpiriesTable);

    /// <param name="kind">An <see cref="IExpiring.Kind"/>.</param>
    /// <param name="tenant">Whose it is.</param>
    /// <param name="id">Its name in its kind.</param>
    /// <param name="at">From when its life counts. The same four are the same entry.</param>
    /// <param name="cancellationToken">Ends waiting.</param>
    public async Task AddAsync(string kind, string tenant, string id, DateTimeOffset at, CancellationToken cancellationToken) =>
        await _rows.UpsertEntityAsync(Expiry.Of(kind, tenant, id, at), TableUpdateMode.Replace, cancellationToken);

    /// <summary>The entries of a kind whose time is <paramref name="until"/> or before, oldest first.</summary>
    public async IAsyncEnumerable<Expiry> ListAsync(string kind, DateTimeOffset until, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (day, time) = (Expiry.PartitionOf(kind, until), Expiry.TimeOf(until) + "~");
        string[] filters =
        [
            TableClient.CreateQueryFilter($"PartitionKey ge {kind + " 0"} and PartitionKey lt {day}"),
            TableClient.CreateQueryFilter($"PartitionKey eq {day} and RowKey lt {time}"),
        ];
        foreach (var filter in filters)
        {
            await foreach (var entry in _rows.QueryAsync<Expiry>(filter, cancellationToken: cancellationToken))
            {
                yield return entry;
            }
        }
    }

    /// <summary>The entries of a kind whose time is from <paramref name="from"/> to <paramref name="until"/>, oldest first.</summary>
    public async IAsyncEnumerable<Expiry> ListAsync(string kind, DateTimeOffset from, DateTimeOffset until, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var day = from; day.UtcDateTime.Date <= until.UtcDateTime.Date; day = day.AddDays(1))
        {
            var (first, last) = (day == from ? Expiry.TimeOf(from) : "", day.UtcDateTime.Date == until.UtcDateTime.Date ? Expiry.TimeOf(until) + "~" : "~");
            var filter = TableClient.CreateQueryFilter($"PartitionKey eq {Expiry.PartitionOf(kind, day)} and RowKey ge {first} and RowKey lt {last}");
            await foreach (var entry in _rows.QueryAsync<Expiry>(filter, cancellationToken: cancellationToken))
            {
                yield return entry;
            }
        }
    }

    public async Task RemoveAsync(Expiry entry, CancellationToken cancellationToken) =>
        await _rows.DeleteEntityAsync(entry.PartitionKey, entry.RowKey, ETag.All, cancellationToken);
}

/// <summary>An entry of the index.</summary>
public sealed record Expiry : ITableEntity
{
    public string PartitionKey { get; set; } = "";
    public string RowKey { get; set; } = "";
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    public string Tenant { get; set; } = "";
    public string Id { get; set; } = "";

    /// <summary>From when the life of what is named counts.</summary>
    public DateTimeOffset At { get; set; }

    internal static Expiry Of(string kind, string tenant, string id, DateTimeOffset at) => new()
    {
        PartitionKey = PartitionOf(kind, at),
        RowKey = $"{TimeOf(at)} {tenant} {id}",
        Tenant = tenant,
        Id = id,
        At = at,
    };

    internal static string PartitionOf(string kind, DateTimeOffset at) => string.Create(CultureInfo.InvariantCulture, $"{kind} {at.UtcDateTime:yyyy-MM-dd}");

    internal static string TimeOf(DateTimeOffset at) => at.UtcDateTime.ToString("HHmmss", CultureInfo.InvariantCulture);
}
