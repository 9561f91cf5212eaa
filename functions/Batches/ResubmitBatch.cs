using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>Makes a new batch of the lines that have not succeeded.</summary>
public sealed class ResubmitBatch(ApiGate gate, BatchControl control, BatchReader batches)
{
    [Function(nameof(ResubmitBatch))]
    [Operation("Makes a batch of the lines that have not succeeded", ApiScopes.Submit, Makes = true, Answers = typeof(BatchView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/batches/{id}/resubmit")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller => await control.ResubmitAsync(id, ApiRequest.IdempotencyKey(request), caller, cancellationToken) is { } batch
                ? Api.JsonWithNulls(batches.View(batch))
                : Api.BatchNotFound(id),
            cancellationToken);
}
