using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Webhooks;

/// <summary>Changes the fields given; <c>{"status": "disabled"}</c> stops it.</summary>
public sealed class UpdateWebhookEndpoint(ApiGate gate, EndpointControl endpoints)
{
    [Function(nameof(UpdateWebhookEndpoint))]
    [Operation("Changes the fields given", ApiScopes.Submit, Takes = RequestSchemas.EndpointChange, Answers = typeof(EndpointView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/webhook_endpoints/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, CreateWebhookEndpoint.LargestBody, cancellationToken);
                return Api.Json(await endpoints.UpdateAsync(id, body, caller, cancellationToken));
            },
            cancellationToken);
}
