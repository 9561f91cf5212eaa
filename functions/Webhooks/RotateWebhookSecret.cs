using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>Gives an endpoint a new secret, shown this once; the old one signs beside it for <c>overlap_seconds</c> (86,400). The same Idempotency-Key rotates once.</summary>
public sealed class RotateWebhookSecret(ApiGate gate, EndpointControl endpoints)
{
    [Function(nameof(RotateWebhookSecret))]
    [Operation("Gives an endpoint a new secret, shown this once", ApiScopes.Submit, Makes = true, Takes = RequestSchemas.Rotation, TakesNothing = true, Answers = typeof(EndpointView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/webhook_endpoints/{id}/rotate_secret")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var overlap = ApiKeyRequest.ParseOverlap(await ApiRequest.ReadBodyAsync(request, CreateWebhookEndpoint.LargestBody, cancellationToken));
                return Api.Json(await endpoints.RotateAsync(id, overlap, ApiRequest.IdempotencyKey(request), caller, cancellationToken));
            },
            cancellationToken);
}
