using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Schedules;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Schedules;

/// <summary>Changes the fields given; <c>{"paused": true}</c> stops it.</summary>
public sealed class UpdateSchedule(ApiGate gate, ScheduleControl schedules)
{
    [Function(nameof(UpdateSchedule))]
    [Operation("Changes the fields given", ApiScopes.Submit, Takes = RequestSchemas.ScheduleChange, Answers = typeof(ScheduleView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/schedules/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, CreateSchedule.LargestBody, cancellationToken);
                return Api.Json(ScheduleView.Of(await schedules.UpdateAsync(id, body, caller, cancellationToken)));
            },
            cancellationToken);
}
