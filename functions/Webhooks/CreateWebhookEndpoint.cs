using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>Makes a webhook endpoint. The answer is the only place where its secret is shown.</summary>
public sealed class CreateWebhookEndpoint(ApiGate gate, EndpointControl endpoints)
{
    internal const int LargestBody = 64 * 1024;

    [Function(nameof(CreateWebhookEndpoint))]
    [Operation("Makes a webhook endpoint", ApiScopes.Submit, Makes = true, Takes = RequestSchemas.Endpoint, Answers = typeof(EndpointView), Status = 201, OrStatus = 200)]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/webhook_endpoints")] HttpRequest request,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, LargestBody, cancellationToken);
                var made = await endpoints.CreateAsync(body, ApiRequest.IdempotencyKey(request), caller, cancellationToken);
                request.HttpContext.Response.Headers.Location = $"/v1/webhook_endpoints/{made.Id}";
                return Api.Json(made, made.Secret is null ? StatusCodes.Status200OK : StatusCodes.Status201Created);
            },
            cancellationToken);
}
