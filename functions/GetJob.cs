using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>A job with its text: so far while it runs, whole when it is finished.</summary>
public sealed class GetJob(ApiGate gate, JobReader jobs)
{
    [Function(nameof(GetJob))]
    [Operation("A job, with its text so far or whole", ApiScopes.Read, Answers = typeof(JobView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/jobs/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => await jobs.FindAsync(id, caller, cancellationToken) is { } job ? Api.Json(job) : Api.NotFound(id),
            cancellationToken);
}
