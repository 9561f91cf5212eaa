using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>A delivery to an endpoint, with its attempts and its body.</summary>
public sealed class GetEndpointDelivery(ApiGate gate, DeliveryControl deliveries)
{
    [Function(nameof(GetEndpointDelivery))]
    [Operation("A delivery to an endpoint, with its attempts and its body", ApiScopes.Read, Answers = typeof(DeliveryView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/webhook_endpoints/{id}/deliveries/{delivery}")] HttpRequest request,
        string id,
        string delivery,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller =>
            {
                var log = await deliveries.LogOfEndpointAsync(id, caller, cancellationToken);
                return Api.Json(await deliveries.GetAsync(log, delivery, cancellationToken));
            },
            cancellationToken);
}
