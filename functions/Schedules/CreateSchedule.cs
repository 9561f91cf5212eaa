using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Schedules;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Schedules;

/// <summary>Makes a schedule: a cron expression, a time zone and a job whose texts are templates.</summary>
public sealed class CreateSchedule(ApiGate gate, ScheduleControl schedules)
{
    internal const int LargestBody = 256 * 1024;

    [Function(nameof(CreateSchedule))]
    [Operation("Makes a schedule", ApiScopes.Submit, Makes = true, Takes = RequestSchemas.Schedule, Answers = typeof(ScheduleView), Status = 201)]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/schedules")] HttpRequest request,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, LargestBody, cancellationToken);
                var schedule = await schedules.CreateAsync(body, ApiRequest.IdempotencyKey(request), caller, cancellationToken);
                request.HttpContext.Response.Headers.Location = $"/v1/schedules/{schedule.Id}";
                return Api.Json(ScheduleView.Of(schedule), StatusCodes.Status201Created);
            },
            cancellationToken);
}
