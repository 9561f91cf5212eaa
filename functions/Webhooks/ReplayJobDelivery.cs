using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>Attempts a delivery to a job's own webhook again, with the same body and id: 202.</summary>
public sealed class ReplayJobDelivery(ApiGate gate, DeliveryControl deliveries)
{
    [Function(nameof(ReplayJobDelivery))]
    [Operation("Attempts a delivery to a job's own webhook again, with the same body and id", ApiScopes.Submit, Answers = typeof(DeliveryView), Status = 202)]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/jobs/{id}/deliveries/{delivery}/replay")] HttpRequest request,
        string id,
        string delivery,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var log = await deliveries.LogOfJobAsync(id, caller, cancellationToken);
                return Api.Json(await deliveries.ReplayAsync(log, delivery, cancellationToken), StatusCodes.Status202Accepted);
            },
            cancellationToken);
}
