using Batch.Jobs;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>A job with its text: so far while it runs, whole when it is finished.</summary>
public sealed class GetJob(JobReader jobs)
{
    [Function(nameof(GetJob))]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Function, "get", Route = "v1/jobs/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) =>
        await jobs.FindAsync(id, cancellationToken) is { } job ? Api.Json(job) : Api.NotFound(id);
}
