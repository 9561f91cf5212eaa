using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>Sends an endpoint a made-up event of the type given, once: 202 with its delivery.</summary>
public sealed class TestWebhookEndpoint(ApiGate gate, EndpointControl endpoints)
{
    [Function(nameof(TestWebhookEndpoint))]
    [Operation("Sends an endpoint a made-up event of the type given, once", ApiScopes.Submit, Takes = RequestSchemas.TestEvent, TakesNothing = true, Answers = typeof(DeliveryView), Status = 202, Refuses = [409])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/webhook_endpoints/{id}/test")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, CreateWebhookEndpoint.LargestBody, cancellationToken);
                return Api.Json(await endpoints.TestAsync(id, body, caller, cancellationToken), StatusCodes.Status202Accepted);
            },
            cancellationToken);
}
