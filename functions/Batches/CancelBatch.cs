using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>Ends a batch early: what has ended is kept, what runs ends within seconds, what waits does not begin.</summary>
public sealed class CancelBatch(ApiGate gate, BatchControl control, BatchReader batches)
{
    [Function(nameof(CancelBatch))]
    [Operation("Ends a batch early; what has ended is kept", ApiScopes.Submit, Answers = typeof(BatchView), Refuses = [409])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/batches/{id}/cancel")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller => await control.CancelAsync(id, caller, cancellationToken) is { } batch
                ? Api.JsonWithNulls(batches.View(batch))
                : Api.BatchNotFound(id),
            cancellationToken);
}
