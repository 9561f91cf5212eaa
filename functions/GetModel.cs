using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>One of the models that are served, in OpenAI's shape.</summary>
public sealed class GetModel(ApiGate gate, EngineHost engines)
{
    [Function(nameof(GetModel))]
    [Operation("A model that is served", ApiScopes.Read, Answers = typeof(Model))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/models/{model}")] HttpRequest request, string model, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Read,
            _ => Task.FromResult(engines.Models.FirstOrDefault(served => served.Name == model) is { } found
                ? Api.Json(Model.Of(found, engines.StartedAt))
                : Api.ModelNotFound(model)),
            cancellationToken);
}
