using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Keys;

/// <summary>Ends a key of the caller's tenant at once.</summary>
public sealed class RevokeKey(ApiGate gate, ApiKeyStore keys)
{
    [Function(nameof(RevokeKey))]
    [Operation("Ends an API key at once", ApiScopes.Admin, Answers = typeof(ApiKeyView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/keys/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Admin,
            async caller => await keys.FindByIdAsync(caller.Tenant, id, cancellationToken) is { } key
                ? Api.Json(ApiKeyView.Of(await keys.RevokeAsync(key, cancellationToken)))
                : throw new InvalidJobException(JobErrorCode.KeyNotFound, $"no key {id} belongs to this tenant"),
            cancellationToken);
}
