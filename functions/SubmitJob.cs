using Batch.Jobs;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Batch.Functions;

/// <summary>
/// Accepts a job: 202 with its id and address; 429 when too many wait. The same Idempotency-Key with the same body gives the same job, with another body 409.
/// </summary>
public sealed class SubmitJob(ApiGate gate, JobIntake intake, WaitingRoom room, IOptions<JobsOptions> options)
{
    [Function(nameof(SubmitJob))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/jobs")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                await room.EnterAsync(caller.Tenant, cancellationToken);
                var body = await ApiRequest.ReadBodyAsync(request, options.Value.MaxInputBytes, cancellationToken);
                var job = await intake.SubmitAsync(body, ApiRequest.IdempotencyKey(request), caller, "POST /v1/jobs", cancellationToken);
                request.HttpContext.Response.Headers.Location = $"/v1/jobs/{job.Id}";
                return Api.Json(new { job.Id, Status = job.State }, StatusCodes.Status202Accepted);
            },
            cancellationToken);
}
