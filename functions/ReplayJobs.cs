using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>
/// Lets failed jobs run again: <c>{"code", "since", "tenant", "limit", "after"}</c>, all of them optional. 202 with their ids and whether there are more,
/// which <c>after</c> asks for. Another tenant's are an administrator's.
/// </summary>
public sealed class ReplayJobs(ApiGate gate, JobControl control)
{
    private const int MostBytes = 10_000;

    [Function(nameof(ReplayJobs))]
    [Operation("Lets failed jobs run again", ApiScopes.Submit, Takes = RequestSchemas.Replay, TakesNothing = true, Answers = typeof(ReplayedJobs), Status = 202)]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/jobs/replay")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, MostBytes, cancellationToken);
                var replayed = await control.ReplayAsync(ReplayFilter.Parse(body, caller), caller, cancellationToken);
                return Api.Json(replayed, StatusCodes.Status202Accepted);
            },
            cancellationToken);
}
