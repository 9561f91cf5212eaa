using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Schedules;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Schedules;

/// <summary>Deletes a schedule and its history; the jobs that it made stay.</summary>
public sealed class DeleteSchedule(ApiGate gate, ScheduleControl schedules)
{
    [Function(nameof(DeleteSchedule))]
    [Operation("Deletes a schedule and its history", ApiScopes.Submit, Answers = typeof(Deleted))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/schedules/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var schedule = await schedules.DeleteAsync(id, caller, cancellationToken);
                return Api.Json(new Deleted(schedule.Id, "schedule"));
            },
            cancellationToken);
}
