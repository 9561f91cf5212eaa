using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>A batch, with its counts, speed and, while it waits, its place.</summary>
public sealed class GetBatch(ApiGate gate, BatchReader batches)
{
    [Function(nameof(GetBatch))]
    [Operation("A batch, with its counts, speed and place", ApiScopes.Read, Answers = typeof(BatchView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/batches/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => await batches.FindAsync(caller.Tenant, id, cancellationToken) is { } batch
                ? Api.JsonWithNulls(batch)
                : Api.BatchNotFound(id),
            cancellationToken);
}
