using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>Lets a paused batch go on.</summary>
public sealed class ResumeBatch(ApiGate gate, BatchControl control, BatchReader batches)
{
    [Function(nameof(ResumeBatch))]
    [Operation("Lets a paused batch go on", ApiScopes.Submit, Answers = typeof(BatchView), Refuses = [409])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/batches/{id}/resume")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller => await control.PauseAsync(id, paused: false, caller, cancellationToken) is { } batch
                ? Api.JsonWithNulls(batches.View(batch))
                : Api.BatchNotFound(id),
            cancellationToken);
}
