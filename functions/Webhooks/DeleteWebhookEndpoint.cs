using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>Deletes a webhook endpoint; what waits for it is dropped.</summary>
public sealed class DeleteWebhookEndpoint(ApiGate gate, EndpointControl endpoints)
{
    [Function(nameof(DeleteWebhookEndpoint))]
    [Operation("Deletes a webhook endpoint", ApiScopes.Submit, Answers = typeof(Deleted))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/webhook_endpoints/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                await endpoints.DeleteAsync(id, caller, cancellationToken);
                return Api.Json(new Deleted(id, "webhook_endpoint"));
            },
            cancellationToken);
}
