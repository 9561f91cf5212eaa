using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>The webhook endpoints of all tenants. A tenant has few; to tell an event reads one partition.</summary>
public sealed class EndpointStore(StorageClients clients)
{
    public const string EndpointsTable = "webhookendpoints";

    private readonly TableClient _rows = clients.Tables.GetTableClient(EndpointsTable);

    internal IdempotencyKeys Keys { get; } = new(clients);

    public async Task<WebhookEndpoint?> FindAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        if (!JsonField.IsName(id))
        {
            return null; // storage would answer 400
        }

        var row = await _rows.GetEntityIfExistsAsync<WebhookEndpoint>(tenant, id, cancellationToken: cancellationToken);
        return row.HasValue ? row.Value : null;
    }

    /// <summary>Adds the endpoint, or gives the one that has its id already.</summary>
    public async Task<WebhookEndpoint> AddAsync(WebhookEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            var added = await _rows.AddEntityAsync(endpoint, cancellationToken);
            return endpoint with { ETag = added.Headers.ETag.GetValueOrDefault() };
        }
        catch (RequestFailedException e) when (e.Status == 409)
        {
            return (await FindAsync(endpoint.Tenant, endpoint.Id, cancellationToken))!;
        }
    }

    /// <summary>
    /// Writes <paramref name="change"/> of the row, applied again to what another writer left, until it holds; a change that gives its argument
    /// back is not written. Null where the endpoint is gone.
    /// </summary>
    public async Task<WebhookEndpoint?> UpdateAsync(
        WebhookEndpoint endpoint, Func<WebhookEndpoint, WebhookEndpoint> change, CancellationToken cancellationToken)
    {
        for (WebhookEndpoint? current = endpoint; current is not null; current = await FindAsync(endpoint.Tenant, endpoint.Id, cancellationToken))
        {
            var changed = change(current);
            if (ReferenceEquals(changed, current))
            {
                return current;
            }

            try
            {
                var written = await _rows.UpdateEntityAsync(changed, current.ETag, TableUpdateMode.Replace, cancellationToken);
                return changed with { ETag = written.Headers.ETag.GetValueOrDefault() };
            }
            catch (RequestFailedException e) when (e.Status is 404 or 412)
            {
                // Changed or deleted by somebody else: look again.
            }
        }

        return null;
    }

    /// <summary>Newest first, from the one after <paramref name="after"/>.</summary>
    public IAsyncEnumerable<WebhookEndpoint> ListAsync(string tenant, string? after, CancellationToken cancellationToken) =>
        _rows.QueryAsync<WebhookEndpoint>(
            TableClient.CreateQueryFilter($"PartitionKey eq {tenant} and RowKey gt {after ?? ""}"), cancellationToken: cancellationToken);

    public Task DeleteAsync(WebhookEndpoint endpoint, CancellationToken cancellationToken) =>
        _rows.DeleteEntityAsync(endpoint.Tenant, endpoint.Id, ETag.All, cancellationToken);
}
