using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Requests;
using Batch.Jobs.Retention;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// The log of all deliveries. Each log is a partition: a row for the delivery, one for its body, and, until it is delivered, one in the index of
/// those that are not; they are written together or not at all, so that what failed is found without reading what did not.
/// </summary>
public sealed class DeliveryStore(StorageClients clients)
{
    public const string DeliveriesTable = "webhookdeliveries";

    internal const string ExpiryKind = "webhook-delivery";

    private const string Body = "body_";
    private const string Open = "open_";

    private readonly TableClient _rows = clients.Tables.GetTableClient(DeliveriesTable);
    private readonly ExpiryIndex _expiries = new(clients);

    /// <summary>Adds the delivery, or gives the one that is there already.</summary>
    public async Task<Delivery> AddAsync(Delivery delivery, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        await _expiries.AddAsync(ExpiryKind, delivery.Log, delivery.Id, delivery.CreatedAt, cancellationToken);
        try
        {
            var added = await _rows.SubmitTransactionAsync(
                [
                    new(TableTransactionActionType.Add, delivery),
                    new(TableTransactionActionType.Add, new TableEntity(delivery.Log, Body + delivery.Id) { ["Body"] = body.ToArray() }),
                    new(TableTransactionActionType.Add, OpenRow(delivery)),
                ],
                cancellationToken);
            return delivery with { ETag = added.Value[0].Headers.ETag.GetValueOrDefault() };
        }
        catch (RequestFailedException e) when (e.Status == 409)
        {
            return await FindAsync(delivery.Log, delivery.Id, cancellationToken)
                ?? throw new InvalidOperationException($"delivery {delivery.Id} was deleted while it was being added", e);
        }
    }

    public async Task<Delivery?> FindAsync(string log, string id, CancellationToken cancellationToken)
    {
        if (!JsonField.IsName(id) || !log.Split(' ').All(JsonField.IsName))
        {
            return null; // storage would answer 400
        }

        var row = await _rows.GetEntityIfExistsAsync<Delivery>(log, id, cancellationToken: cancellationToken);
        return row.HasValue ? row.Value : null;
    }

    public async Task<byte[]> ReadBodyAsync(Delivery delivery, CancellationToken cancellationToken) =>
        (await _rows.GetEntityAsync<TableEntity>(delivery.Log, Body + delivery.Id, cancellationToken: cancellationToken)).Value.GetBinary("Body");

    /// <summary>
    /// Writes <paramref name="change"/> of the row, applied again to what another writer left, until it holds; a change that gives its argument
    /// back is not written. Null where the delivery is gone.
    /// </summary>
    public async Task<Delivery?> UpdateAsync(Delivery delivery, Func<Delivery, Delivery> change, CancellationToken cancellationToken)
    {
        for (Delivery? current = delivery; current is not null; current = await FindAsync(delivery.Log, delivery.Id, cancellationToken))
        {
            var changed = change(current);
            if (ReferenceEquals(changed, current))
            {
                return current;
            }

            if (await TryWriteAsync(current, changed, cancellationToken) is { } written)
            {
                return written;
            }
        }

        return null;
    }

    /// <summary>Writes the row unless somebody else wrote it since it was read; null then.</summary>
    public async Task<Delivery?> TryWriteAsync(Delivery before, Delivery after, CancellationToken cancellationToken)
    {
        try
        {
            var row = new TableTransactionAction(TableTransactionActionType.UpdateReplace, after, before.ETag);
            var written = await _rows.SubmitTransactionAsync([row, .. IndexChange(before, after)], cancellationToken);
            return after with { ETag = written.Value[0].Headers.ETag.GetValueOrDefault() };
        }
        catch (RequestFailedException e) when (e.Status is 404 or 412)
        {
            return null;
        }
    }

    /// <summary>Newest first, from the one after <paramref name="after"/>.</summary>
    public IAsyncEnumerable<Delivery> ListAsync(string log, string? after, WebhookState? state, CancellationToken cancellationToken) => state switch
    {
        null => _rows.QueryAsync<Delivery>(Range(log, after ?? "", ObjectId.Delivery), maxPerPage: 100, cancellationToken: cancellationToken),
        WebhookState.Delivered => _rows.QueryAsync<Delivery>(
            $"{Range(log, after ?? "", ObjectId.Delivery)} and State eq 'Delivered'", maxPerPage: 100, cancellationToken: cancellationToken),
        { } open => ListOpenAsync(log, after, open, cancellationToken),
    };

    /// <summary>The delivery itself last. Safe to repeat.</summary>
    internal async Task DeleteAsync(string log, string id, CancellationToken cancellationToken)
    {
        foreach (var row in new[] { Open + id, Body + id, id })
        {
            await _rows.DeleteEntityAsync(log, row, ETag.All, cancellationToken);
        }
    }

    private IAsyncEnumerable<Delivery> ListOpenAsync(string log, string? after, WebhookState state, CancellationToken cancellationToken) =>
        _rows.QueryAsync<TableEntity>(
            $"{Range(log, after is null ? "" : Open + after, Open)} and State eq '{state}'", maxPerPage: 100, ["RowKey"], cancellationToken)
            .Select(async (TableEntity entry, CancellationToken token) => await FindAsync(log, entry.RowKey[Open.Length..], token))
            .Where(delivery => delivery?.State == state)
            .Select(delivery => delivery!);

    private static string Range(string log, string after, string prefix) =>
        TableClient.CreateQueryFilter($"PartitionKey eq {log} and RowKey gt {(after.Length == 0 ? prefix : after)} and RowKey lt {prefix + "~"}");

    private static TableEntity OpenRow(Delivery delivery) => new(delivery.Log, Open + delivery.Id) { ["State"] = delivery.State.ToString() };

    private static IEnumerable<TableTransactionAction> IndexChange(Delivery before, Delivery after) => (before.State, after.State) switch
    {
        var (was, now) when was == now => [],
        (_, WebhookState.Delivered) => [new(TableTransactionActionType.Delete, OpenRow(after), ETag.All)],
        _ => [new(TableTransactionActionType.UpsertReplace, OpenRow(after))],
    };
}
