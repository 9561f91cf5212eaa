using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>The tenant's webhook endpoints, newest first: <c>?limit=1..100</c> (20) from the one after <c>?after=id</c>.</summary>
public sealed class ListWebhookEndpoints(ApiGate gate, EndpointControl endpoints)
{
    [Function(nameof(ListWebhookEndpoints))]
    [Operation("The tenant's webhook endpoints, newest first", ApiScopes.Read, Query = [QueryParameters.Limit, QueryParameters.After], Answers = typeof(Page<EndpointView>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/webhook_endpoints")] HttpRequest request,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller =>
            {
                var limit = ApiRequest.Limit(request, standard: 20, most: 100);
                return Api.Json(await endpoints.ListAsync(ApiRequest.Query(request, "after"), limit, caller, cancellationToken));
            },
            cancellationToken);
}
