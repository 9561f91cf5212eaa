using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Webhooks;

/// <summary>What the owner of webhook endpoints does with them. Another tenant's are not found.</summary>
public sealed class EndpointControl(
    EndpointStore store, EndpointSecrets secrets, WebhookFanOut fanOut, IOptions<WebhookOptions> options, TimeProvider time)
{
    private const int MostEndpoints = 50;
    private const string ByOwner = "its owner disabled it";

    /// <summary>
    /// The endpoint with its secret, which is shown nowhere else. Under an <paramref name="idempotencyKey"/> that came before: that endpoint,
    /// without it.
    /// </summary>
    public async Task<EndpointView> CreateAsync(ReadOnlyMemory<byte> body, string? idempotencyKey, Caller caller, CancellationToken cancellationToken)
    {
        var request = EndpointRequest.Parse(body, options.Value);
        var url = request.Url ?? throw new InvalidJobException(JobErrorCode.InvalidRequest, "url is missing: an endpoint needs one", "url");
        var (now, secret) = (time.GetUtcNow(), EndpointSecrets.New());
        var id = await store.Keys.ReserveAsync(
            caller.Tenant, "webhook_endpoints", idempotencyKey, IdempotencyKeys.FingerprintOf(request), ObjectId.New(ObjectId.WebhookEndpoint, now), now, cancellationToken);
        if (await store.FindAsync(caller.Tenant, id, cancellationToken) is { } known)
        {
            return EndpointView.Of(known, now);
        }

        if (await store.ListAsync(caller.Tenant, after: null, cancellationToken).CountAsync(cancellationToken) >= MostEndpoints)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"a tenant may have {MostEndpoints} webhook endpoints; delete one first");
        }

        var made = new WebhookEndpoint
        {
            PartitionKey = caller.Tenant,
            RowKey = id,
            Url = url,
            Description = request.Description,
            Events = request.Events ?? EventFilter.Everything,
            Format = request.Format ?? WebhookFormat.Openai,
            CreatedAt = now,
            Secret = secrets.Protect(secret, caller.Tenant, id),
        };
        var added = await store.AddAsync(request.IsEnabled == false ? made.Disable(ByOwner, now) : made, cancellationToken);
        return EndpointView.Of(added, now, added.Secret == made.Secret ? secret : null);
    }

    public async Task<EndpointView> GetAsync(string id, Caller caller, CancellationToken cancellationToken) =>
        EndpointView.Of(await FindAsync(id, caller, cancellationToken), time.GetUtcNow());

    /// <summary>Newest first, from the one after <paramref name="after"/>.</summary>
    public async Task<Page<EndpointView>> ListAsync(string? after, int limit, Caller caller, CancellationToken cancellationToken)
    {
        var found = await store.ListAsync(caller.Tenant, after, cancellationToken).Take(limit + 1).ToListAsync(cancellationToken);
        return Page.Of([.. found.Select(endpoint => EndpointView.Of(endpoint, time.GetUtcNow()))], limit, endpoint => endpoint.Id);
    }

    /// <summary>Changes the fields given. An endpoint that is enabled again begins with a clean slate.</summary>
    public Task<EndpointView> UpdateAsync(string id, ReadOnlyMemory<byte> body, Caller caller, CancellationToken cancellationToken)
    {
        var request = EndpointRequest.Parse(body, options.Value);
        return ChangeAsync(
            id,
            row =>
            {
                row = row with
                {
                    Url = request.Url ?? row.Url,
                    Description = request.Description ?? row.Description,
                    Events = request.Events ?? row.Events,
                    Format = request.Format ?? row.Format,
                };
                return request.IsEnabled switch
                {
                    true => row.Enable(),
                    false => row.Disable(ByOwner, time.GetUtcNow()),
                    null => row,
                };
            },
            caller,
            cancellationToken);
    }

    /// <summary>
    /// A new secret, shown this once; the one before signs beside it for <paramref name="overlap"/>. Under an <paramref name="idempotencyKey"/> that
    /// came before: the endpoint without it.
    /// </summary>
    public async Task<EndpointView> RotateAsync(string id, TimeSpan overlap, string? idempotencyKey, Caller caller, CancellationToken cancellationToken)
    {
        var endpoint = await FindAsync(id, caller, cancellationToken);
        var (now, secret) = (time.GetUtcNow(), EndpointSecrets.New());
        var (kept, own) = (secrets.Protect(secret, caller.Tenant, id), ObjectId.New(ObjectId.Rotation, now));
        var rotation = await store.Keys.ReserveAsync(
            caller.Tenant, $"webhook_endpoints/{id}/rotate_secret", idempotencyKey, IdempotencyKeys.FingerprintOf(overlap), own, now, cancellationToken);

        // Checkpoint: the key. A crash before the row is healed when the caller comes again; whoever writes the row knows the secret.
        var rotated = await store.UpdateAsync(endpoint, row => row.Rotate(rotation, isNew: rotation == own, kept, overlap, now), cancellationToken) ?? throw NotFound(id);
        return EndpointView.Of(rotated, now, rotated.Secret == kept ? secret : null);
    }

    /// <summary>What waits for it is dropped; its log goes when its time is over.</summary>
    public async Task DeleteAsync(string id, Caller caller, CancellationToken cancellationToken) =>
        await store.DeleteAsync(await FindAsync(id, caller, cancellationToken), cancellationToken);

    /// <summary>Sends it a made-up event of one type, whatever its filter says, once.</summary>
    public async Task<DeliveryView> TestAsync(string id, ReadOnlyMemory<byte> body, Caller caller, CancellationToken cancellationToken)
    {
        var type = TestEvent.ReadType(body);
        var endpoint = await FindAsync(id, caller, cancellationToken);
        if (!endpoint.IsEnabled)
        {
            throw IsDisabled(endpoint);
        }

        return DeliveryView.Of(await fanOut.AddAsync(TestEvent.Of(type, caller.Tenant, time.GetUtcNow()), endpoint, isTest: true, cancellationToken));
    }

    internal async Task<WebhookEndpoint> FindAsync(string id, Caller caller, CancellationToken cancellationToken) =>
        await store.FindAsync(caller.Tenant, id, cancellationToken) ?? throw NotFound(id);

    internal static InvalidJobException IsDisabled(WebhookEndpoint endpoint) =>
        new(JobErrorCode.WebhookEndpointDisabled, $"endpoint {endpoint.Id} is disabled ({endpoint.DisabledReason}); enable it first");

    private async Task<EndpointView> ChangeAsync(
        string id, Func<WebhookEndpoint, WebhookEndpoint> change, Caller caller, CancellationToken cancellationToken)
    {
        var endpoint = await FindAsync(id, caller, cancellationToken);
        var changed = await store.UpdateAsync(endpoint, change, cancellationToken) ?? throw NotFound(id);
        return EndpointView.Of(changed, time.GetUtcNow());
    }

    private static InvalidJobException NotFound(string id) =>
        new(JobErrorCode.WebhookEndpointNotFound, $"no webhook endpoint {JsonField.Quote(id)} belongs to this tenant");
}
