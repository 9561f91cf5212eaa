using Batch.Jobs;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>The models that jobs may name, loaded or still loading, the default one first; in OpenAI's shape.</summary>
public sealed class ListModels(ApiGate gate, EngineHost engines)
{
    [Function(nameof(ListModels))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/models")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Read,
            _ =>
            {
                var created = engines.StartedAt.ToUnixTimeSeconds();
                return Task.FromResult(Api.Json(new { Object = "list", Data = engines.Models.Select(m => new { Id = m.Name, Object = "model", Created = created, OwnedBy = "batch" }) }));
            },
            cancellationToken);
}
