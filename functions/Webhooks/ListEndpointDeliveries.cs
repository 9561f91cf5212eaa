using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>The deliveries to an endpoint, newest first, without bodies: <c>?status=pending|delivered|failed</c>, <c>?limit=1..100</c> (20), <c>?after=id</c>.</summary>
public sealed class ListEndpointDeliveries(ApiGate gate, DeliveryControl deliveries)
{
    [Function(nameof(ListEndpointDeliveries))]
    [Operation("The deliveries to an endpoint, newest first, without bodies", ApiScopes.Read, Query = [QueryParameters.DeliveryStatus, QueryParameters.Limit, QueryParameters.After], Answers = typeof(Page<DeliveryView>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/webhook_endpoints/{id}/deliveries")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller =>
            {
                var log = await deliveries.LogOfEndpointAsync(id, caller, cancellationToken);
                var limit = ApiRequest.Limit(request, standard: 20, most: 100);
                return Api.Json(await deliveries.ListAsync(log, ApiRequest.Query(request, "status"), ApiRequest.Query(request, "after"), limit, cancellationToken));
            },
            cancellationToken);
}
