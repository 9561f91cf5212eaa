using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Requests;
using Batch.Jobs.Retention;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Idempotency;

/// <summary>
/// What callers' idempotency keys stand for: a row for each in table <c>idempotency</c>, of a tenant and of what it was used for. The first row
/// stands, so that of any number of requests under one key all mean one object. Whoever asks under a key reserves an id first and adds the
/// object unless it is there; a crash in between is healed when the caller comes again. Where the object must be made before (a stream that
/// is read once, a secret that is shown once) whoever comes second drops its own. Jobs need no row: their id follows from the key.
/// </summary>
public sealed class IdempotencyKeys(StorageClients clients)
{
    public const string IdempotencyTable = "idempotency";
    internal const string ExpiryKind = "idempotency-key";

    private readonly TableClient _rows = clients.Tables.GetTableClient(IdempotencyTable);
    private readonly ExpiryIndex _expiries = new(clients);

    /// <summary>
    /// The id that <paramref name="key"/> stands for: <paramref name="id"/>, unless the key came before or there is none. Throws
    /// <see cref="InvalidJobException"/> of code idempotency_conflict where the key came with another <paramref name="fingerprint"/>.
    /// </summary>
    public async Task<string> ReserveAsync(
        string tenant, string operation, string? key, string fingerprint, string id, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (key is null)
        {
            return id;
        }

        var row = RowOf(tenant, operation, key, fingerprint, id);
        await _expiries.AddAsync(ExpiryKind, tenant, row.RowKey, now, cancellationToken);
        try
        {
            await _rows.AddEntityAsync(row, cancellationToken);
            return id;
        }
        catch (RequestFailedException e) when (e.Status == 409)
        {
            var first = (await _rows.GetEntityAsync<TableEntity>(row.PartitionKey, row.RowKey, cancellationToken: cancellationToken)).Value;
            return first.GetString("Fingerprint") == fingerprint
                ? first.GetString("Id")
                : throw new InvalidJobException(
                    JobErrorCode.IdempotencyConflict, $"this Idempotency-Key came with other content before, for {first.GetString("Id")}; use another key or send the same content", "Idempotency-Key");
        }
    }

    /// <summary>The key stands for <paramref name="id"/> from now on: what it stood for was deleted.</summary>
    public async Task ReplaceAsync(string tenant, string operation, string key, string fingerprint, string id, CancellationToken cancellationToken) =>
        await _rows.UpsertEntityAsync(RowOf(tenant, operation, key, fingerprint, id), TableUpdateMode.Replace, cancellationToken);

    internal async Task ForgetAsync(string tenant, string rowKey, CancellationToken cancellationToken) =>
        await _rows.DeleteEntityAsync(tenant, rowKey, ETag.All, cancellationToken);

    /// <summary>What two requests with the same content have in common.</summary>
    public static string FingerprintOf<T>(T request) => Hash(JsonSerializer.SerializeToUtf8Bytes(request, JobJson.Options));

    private static TableEntity RowOf(string tenant, string operation, string key, string fingerprint, string id) =>
        new(tenant, Hash(Encoding.UTF8.GetBytes($"{operation}\n{key}"))) { ["Operation"] = operation, ["Fingerprint"] = fingerprint, ["Id"] = id };

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
