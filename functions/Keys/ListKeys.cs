using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Keys;

/// <summary>The API keys of the caller's tenant, newest first, those that have ended too.</summary>
public sealed class ListKeys(ApiGate gate, ApiKeyStore keys)
{
    [Function(nameof(ListKeys))]
    [Operation("The tenant's API keys, newest first", ApiScopes.Admin, Answers = typeof(Listing<ApiKeyView>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/keys")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Admin,
            async caller =>
            {
                var data = (await keys.ListAsync(caller.Tenant, cancellationToken)).Select(key => ApiKeyView.Of(key));
                return Api.Json(Listing.Of(data));
            },
            cancellationToken);
}
