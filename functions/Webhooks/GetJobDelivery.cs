using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>A delivery to a job's own webhook, with its attempts and its body.</summary>
public sealed class GetJobDelivery(ApiGate gate, DeliveryControl deliveries)
{
    [Function(nameof(GetJobDelivery))]
    [Operation("A delivery to a job's own webhook, with its attempts and its body", ApiScopes.Read, Answers = typeof(DeliveryView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/jobs/{id}/deliveries/{delivery}")] HttpRequest request,
        string id,
        string delivery,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller =>
            {
                var log = await deliveries.LogOfJobAsync(id, caller, cancellationToken);
                return Api.Json(await deliveries.GetAsync(log, delivery, cancellationToken));
            },
            cancellationToken);
}
