using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Access;

/// <summary>The API keys of all tenants.</summary>
public sealed class ApiKeyStore(StorageClients clients, TimeProvider time)
{
    public const string ApiKeysTable = "apikeys";

    private readonly TableClient _rows = clients.Tables.GetTableClient(ApiKeysTable);
    private readonly IdempotencyKeys _idempotency = new(clients);

    /// <summary>The key that is <paramref name="secret"/>, valid or not.</summary>
    public async Task<ApiKey?> FindAsync(string secret, CancellationToken cancellationToken)
    {
        var row = await _rows.GetEntityIfExistsAsync<ApiKey>(
            ApiKey.Partition, Convert.ToHexStringLower(ApiKey.HashOf(secret)), cancellationToken: cancellationToken);
        return row.HasValue && row.Value!.Is(secret) ? row.Value : null;
    }

    /// <summary>A new key and its secret, which is nowhere else.</summary>
    public async Task<(ApiKey Key, string Secret)> CreateAsync(
        string tenant, ApiScopes scopes, string? name, DateTimeOffset? expiresAt, CancellationToken cancellationToken)
    {
        var secret = ApiKey.NewSecret();
        return (await AddAsync(secret, tenant, scopes, name, expiresAt, cancellationToken), secret);
    }

    /// <summary>
    /// A new key and its secret, which is nowhere else. Under an <paramref name="idempotencyKey"/> that came before: that key, without its
    /// secret, which nobody can show again.
    /// </summary>
    public async Task<(ApiKey Key, string? Secret)> CreateAsync(
        string tenant, ApiKeyRequest request, string? idempotencyKey, CancellationToken cancellationToken)
    {
        var (key, secret) = await CreateAsync(tenant, request.Scopes, request.Name, request.ExpiresAt, cancellationToken);
        return await FirstAsync(key, secret, "keys", idempotencyKey, IdempotencyKeys.FingerprintOf(request), cancellationToken);
    }

    /// <summary>Adds a key whose secret is kept elsewhere, unless it is there, revoked or not.</summary>
    public async Task<ApiKey> AddAsync(
        string secret, string tenant, ApiScopes scopes, string? name, DateTimeOffset? expiresAt, CancellationToken cancellationToken)
    {
        var key = ApiKey.Of(secret, tenant, scopes, name, time.GetUtcNow(), expiresAt);
        try
        {
            await _rows.AddEntityAsync(key, cancellationToken);
            return key;
        }
        catch (RequestFailedException e) when (e.Status == 409)
        {
            return (await FindAsync(secret, cancellationToken))!;
        }
    }

    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<ApiKey>> ListAsync(string tenant, CancellationToken cancellationToken)
    {
        var filter = TableClient.CreateQueryFilter($"PartitionKey eq {ApiKey.Partition} and Tenant eq {tenant}");
        var keys = await _rows.QueryAsync<ApiKey>(filter, cancellationToken: cancellationToken).ToListAsync(cancellationToken);
        return [.. keys.OrderByDescending(key => key.CreatedAt)];
    }

    public async Task<ApiKey?> FindByIdAsync(string tenant, string id, CancellationToken cancellationToken) =>
        (await ListAsync(tenant, cancellationToken)).FirstOrDefault(key => key.Id == id);

    /// <summary>No request with the key is answered from now on.</summary>
    public async Task<ApiKey> RevokeAsync(ApiKey key, CancellationToken cancellationToken)
    {
        if (key.RevokedAt is null)
        {
            key = key with { RevokedAt = time.GetUtcNow() };
            await _rows.UpdateEntityAsync(key, ETag.All, TableUpdateMode.Replace, cancellationToken);
        }

        return key;
    }

    /// <summary>
    /// A key with the same rights; the old one goes on for <paramref name="overlap"/>, unless it ends before. Under an
    /// <paramref name="idempotencyKey"/> that came before: that key, without its secret.
    /// </summary>
    public async Task<(ApiKey Key, string? Secret)> RotateAsync(ApiKey old, TimeSpan overlap, string? idempotencyKey, CancellationToken cancellationToken)
    {
        // The new one first: a crash between the two leaves both, not none.
        var (key, secret) = await CreateAsync(old.Tenant, old.Allowed, old.Name, expiresAt: null, cancellationToken);
        var made = await FirstAsync(key, secret, $"keys/{old.Id}/rotate", idempotencyKey, IdempotencyKeys.FingerprintOf(overlap), cancellationToken);
        var end = time.GetUtcNow() + overlap;
        if (!(old.ExpiresAt < end))
        {
            await _rows.UpdateEntityAsync(old with { ExpiresAt = end }, ETag.All, TableUpdateMode.Replace, cancellationToken);
        }

        return made;
    }

    // The key is there before its reservation: a crash in between leaves one that nobody has seen; the other order, a reservation of nothing.
    private async Task<(ApiKey Key, string? Secret)> FirstAsync(
        ApiKey made, string secret, string operation, string? idempotencyKey, string fingerprint, CancellationToken cancellationToken)
    {
        try
        {
            var first = await _idempotency.ReserveAsync(made.Tenant, operation, idempotencyKey, fingerprint, made.RowKey, made.CreatedAt, cancellationToken);
            if (first == made.RowKey)
            {
                return (made, secret);
            }

            await _rows.DeleteEntityAsync(made.PartitionKey, made.RowKey, ETag.All, cancellationToken);
            return ((await _rows.GetEntityAsync<ApiKey>(ApiKey.Partition, first, cancellationToken: cancellationToken)).Value, null);
        }
        catch (InvalidJobException)
        {
            await _rows.DeleteEntityAsync(made.PartitionKey, made.RowKey, ETag.All, cancellationToken);
            throw;
        }
    }
}
