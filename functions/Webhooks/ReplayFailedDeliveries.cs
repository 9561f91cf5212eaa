using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>Attempts again what failed of events since a time: 202 with how many.</summary>
public sealed class ReplayFailedDeliveries(ApiGate gate, DeliveryControl deliveries)
{
    [Function(nameof(ReplayFailedDeliveries))]
    [Operation("Attempts again what failed of events since a time", ApiScopes.Submit, Takes = RequestSchemas.ReplayFailed, TakesNothing = true, Answers = typeof(ReplayView), Status = 202, Refuses = [409])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/webhook_endpoints/{id}/replay_failed")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var asked = ReplayRequest.Parse(await ApiRequest.ReadBodyAsync(request, CreateWebhookEndpoint.LargestBody, cancellationToken));
                var log = await deliveries.LogOfEndpointAsync(id, caller, cancellationToken, mustBeEnabled: true);
                return Api.Json(await deliveries.ReplayFailedAsync(log, asked, cancellationToken), StatusCodes.Status202Accepted);
            },
            cancellationToken);
}
