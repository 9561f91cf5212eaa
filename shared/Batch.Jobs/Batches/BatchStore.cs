using System.Runtime.CompilerServices;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Requests;
using Batch.Jobs.Retention;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>
/// Batch rows. Beside each that is not done with stands an entry in one partition, by which the dispatcher finds it; it is written first and
/// deleted last. The partition that is no tenant's has a space in its name, which no tenant has.
/// </summary>
public sealed class BatchStore(StorageClients clients)
{
    public const string BatchesTable = "batches";
    internal const string ExpiryKind = "batch";
    private const string ActivePartition = "active batches";

    private readonly TableClient _rows = clients.Tables.GetTableClient(BatchesTable);
    private readonly ExpiryIndex _expiries = new(clients);

    internal IdempotencyKeys Keys { get; } = new(clients);

    /// <summary>The tenant's batch of that id; both may be any text.</summary>
    public async Task<BatchRow?> FindAsync(string? tenant, string? id, CancellationToken cancellationToken)
    {
        if (tenant is null || id is null || !JsonField.IsName(tenant) || !JsonField.IsName(id))
        {
            return null; // storage would answer 400
        }

        var row = await _rows.GetEntityIfExistsAsync<BatchRow>(tenant, id, cancellationToken: cancellationToken);
        return row.HasValue ? row.Value : null;
    }

    /// <summary>Adds the batch, or gives the one that has its id already.</summary>
    public async Task<BatchRow> AddAsync(BatchRow row, CancellationToken cancellationToken)
    {
        await _expiries.AddAsync(ExpiryKind, row.Tenant, row.Id, row.ExpiresAt, cancellationToken);
        await _rows.UpsertEntityAsync(new TableEntity(ActivePartition, row.Id) { ["Tenant"] = row.Tenant }, TableUpdateMode.Replace, cancellationToken);
        try
        {
            var added = await _rows.AddEntityAsync(row, cancellationToken);
            return row with { ETag = added.Headers.ETag.GetValueOrDefault() };
        }
        catch (RequestFailedException e) when (e.Status == 409)
        {
            return (await FindAsync(row.Tenant, row.Id, cancellationToken))!;
        }
    }

    /// <summary>
    /// Writes <paramref name="change"/> of the row. When another writer was first, the change is applied to what that writer left, until it
    /// holds. A change that gives its argument back is not written.
    /// </summary>
    public async Task<BatchRow> UpdateAsync(BatchRow row, Func<BatchRow, BatchRow> change, CancellationToken cancellationToken)
    {
        while (true)
        {
            var changed = change(row);
            if (ReferenceEquals(changed, row))
            {
                return row;
            }

            if (await TryWriteAsync(changed, cancellationToken) is { } written)
            {
                return written;
            }

            row = await FindAsync(row.Tenant, row.Id, cancellationToken)
                ?? throw new InvalidOperationException($"batch {row.Id} was deleted while it was being changed");
        }
    }

    /// <summary>Writes the row unless somebody else wrote it since it was read; null then.</summary>
    public async Task<BatchRow?> TryWriteAsync(BatchRow row, CancellationToken cancellationToken)
    {
        try
        {
            var written = await _rows.UpdateEntityAsync(row, row.ETag, TableUpdateMode.Replace, cancellationToken);
            return row with { ETag = written.Headers.ETag.GetValueOrDefault() };
        }
        catch (RequestFailedException e) when (e.Status == 412)
        {
            return null;
        }
    }

    /// <summary>Newest first, from the one after <paramref name="after"/>.</summary>
    public IAsyncEnumerable<BatchRow> ListAsync(string tenant, string? after, CancellationToken cancellationToken) => _rows.QueryAsync<BatchRow>(
        TableClient.CreateQueryFilter($"PartitionKey eq {tenant} and RowKey gt {after ?? ""}"), maxPerPage: 100, cancellationToken: cancellationToken);

    /// <summary>Every batch of every tenant that is not done with, oldest last.</summary>
    public async IAsyncEnumerable<BatchRow> ListActiveAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var filter = TableClient.CreateQueryFilter($"PartitionKey eq {ActivePartition}");
        await foreach (var entry in _rows.QueryAsync<TableEntity>(filter, cancellationToken: cancellationToken))
        {
            if (await FindAsync(entry.GetString("Tenant"), entry.RowKey, cancellationToken) is { } row)
            {
                yield return row;
            }
        }
    }

    public async Task<bool> HasActiveAsync(CancellationToken cancellationToken) =>
        await _rows.QueryAsync<TableEntity>(TableClient.CreateQueryFilter($"PartitionKey eq {ActivePartition}"), maxPerPage: 1, ["RowKey"], cancellationToken)
            .AnyAsync(cancellationToken);

    /// <summary>Also the dispatcher's entry, which stays where a process died before the row was there.</summary>
    internal async Task DeleteAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        await _rows.DeleteEntityAsync(ActivePartition, id, ETag.All, cancellationToken);
        await _rows.DeleteEntityAsync(tenant, id, ETag.All, cancellationToken);
    }

    public async Task RetireAsync(BatchRow row, CancellationToken cancellationToken) =>
        await _rows.DeleteEntityAsync(ActivePartition, row.Id, ETag.All, cancellationToken);
}
