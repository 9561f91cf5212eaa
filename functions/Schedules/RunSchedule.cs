using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Schedules;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Schedules;

/// <summary>Runs a schedule now, beside its times. The same Idempotency-Key is the same run.</summary>
public sealed class RunSchedule(ApiGate gate, ScheduleControl schedules)
{
    [Function(nameof(RunSchedule))]
    [Operation("Runs a schedule now", ApiScopes.Submit, Makes = true, Answers = typeof(ScheduleRunView), Status = 202)]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/schedules/{id}/run")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var run = await schedules.RunNowAsync(id, ApiRequest.IdempotencyKey(request), caller, cancellationToken);
                return Api.Json(ScheduleRunView.Of(run), StatusCodes.Status202Accepted);
            },
            cancellationToken);
}
