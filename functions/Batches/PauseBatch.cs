using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>Admits no more lines of a batch until it is resumed; those that were admitted run to their end.</summary>
public sealed class PauseBatch(ApiGate gate, BatchControl control, BatchReader batches)
{
    [Function(nameof(PauseBatch))]
    [Operation("Admits no more lines of a batch", ApiScopes.Submit, Answers = typeof(BatchView), Refuses = [409])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/batches/{id}/pause")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller => await control.PauseAsync(id, paused: true, caller, cancellationToken) is { } batch
                ? Api.JsonWithNulls(batches.View(batch))
                : Api.BatchNotFound(id),
            cancellationToken);
}
