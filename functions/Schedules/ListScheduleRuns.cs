using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Schedules;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Schedules;

/// <summary>A schedule's runs, newest first: <c>?limit=1..100</c> (20).</summary>
public sealed class ListScheduleRuns(ApiGate gate, ScheduleControl schedules)
{
    [Function(nameof(ListScheduleRuns))]
    [Operation("A schedule's runs, newest first", ApiScopes.Read, Query = [QueryParameters.Limit], Answers = typeof(Listing<ScheduleRunView>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/schedules/{id}/runs")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller =>
            {
                var runs = await schedules.RunsAsync(id, ApiRequest.Limit(request, standard: 20, most: 100), caller, cancellationToken);
                return Api.Json(Listing.Of(runs.Select(ScheduleRunView.Of)));
            },
            cancellationToken);
}
