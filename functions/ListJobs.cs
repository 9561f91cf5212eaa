using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>Jobs, newest first, without their texts: <c>?limit=1..100</c> (20) from the one after <c>?after=id</c>.</summary>
public sealed class ListJobs(ApiGate gate, JobReader jobs)
{
    [Function(nameof(ListJobs))]
    [Operation("The tenant's jobs, newest first, without texts", ApiScopes.Read, Query = [QueryParameters.Limit, QueryParameters.After], Answers = typeof(JobPage))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/jobs")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller =>
            {
                var limit = ApiRequest.Limit(request, standard: 20, most: 100);
                return await jobs.ListAsync(limit, ApiRequest.After(request), caller, cancellationToken) is { } page
                    ? Api.Json(page)
                    : throw new InvalidJobException(JobErrorCode.InvalidRequest, "after must be the id of a job", "after");
            },
            cancellationToken);
}
