using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Schedules;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Schedules;

/// <summary>The tenant's schedules, newest first.</summary>
public sealed class ListSchedules(ApiGate gate, ScheduleControl schedules)
{
    [Function(nameof(ListSchedules))]
    [Operation("The tenant's schedules, newest first", ApiScopes.Read, Answers = typeof(Listing<ScheduleView>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/schedules")] HttpRequest request,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller =>
            {
                var data = (await schedules.ListAsync(caller, cancellationToken)).Select(ScheduleView.Of);
                return Api.Json(Listing.Of(data));
            },
            cancellationToken);
}
