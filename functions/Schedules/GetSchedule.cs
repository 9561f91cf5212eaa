using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Schedules;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Schedules;

/// <summary>A schedule with the next times it runs.</summary>
public sealed class GetSchedule(ApiGate gate, ScheduleControl schedules)
{
    [Function(nameof(GetSchedule))]
    [Operation("A schedule with its next times", ApiScopes.Read, Answers = typeof(ScheduleView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/schedules/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => Api.Json(ScheduleView.Of(await schedules.GetAsync(id, caller, cancellationToken))),
            cancellationToken);
}
