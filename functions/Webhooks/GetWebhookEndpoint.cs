using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>A webhook endpoint, with how it fares and without its secret.</summary>
public sealed class GetWebhookEndpoint(ApiGate gate, EndpointControl endpoints)
{
    [Function(nameof(GetWebhookEndpoint))]
    [Operation("A webhook endpoint, with how it fares and without its secret", ApiScopes.Read, Answers = typeof(EndpointView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/webhook_endpoints/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => Api.Json(await endpoints.GetAsync(id, caller, cancellationToken)),
            cancellationToken);
}
