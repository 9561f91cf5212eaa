using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>The tenant's batches, newest first: <c>?limit=1..100</c> (20) from the one after <c>?after=id</c>.</summary>
public sealed class ListBatches(ApiGate gate, BatchReader batches)
{
    [Function(nameof(ListBatches))]
    [Operation("The tenant's batches, newest first", ApiScopes.Read, Query = [QueryParameters.Limit, QueryParameters.After], Answers = typeof(Page<BatchView>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/batches")] HttpRequest request,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller =>
            {
                var limit = ApiRequest.Limit(request, standard: 20, most: 100);
                return Api.JsonWithNulls(await batches.ListAsync(caller.Tenant, ApiRequest.After(request), limit, cancellationToken));
            },
            cancellationToken);
}
