using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>The models that jobs may name, loaded or still loading, the default one first; in OpenAI's shape.</summary>
public sealed class ListModels(ApiGate gate, EngineHost engines)
{
    [Function(nameof(ListModels))]
    [Operation("The models that are served", ApiScopes.Read, Answers = typeof(Listing<Model>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/models")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Read,
            _ => Task.FromResult(Api.Json(Listing.Of(engines.Models.Select(model => Model.Of(model, engines.StartedAt))))),
            cancellationToken);
}
