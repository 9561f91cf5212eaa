using Batch.Functions.Limits;
using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Batch.Functions;

/// <summary>
/// Accepts a job: 202 with its id and address; 429 when too many wait, unless it was accepted before. The same Idempotency-Key with the same body gives the same job, with another body 409.
/// </summary>
public sealed class SubmitJob(ApiGate gate, RateLimits limits, JobIntake intake, WaitingRoom room, IOptions<JobsOptions> options)
{
    [Function(nameof(SubmitJob))]
    [Operation("Hands a job in", ApiScopes.Submit, Makes = true, Takes = RequestSchemas.Job, Answers = typeof(AcceptedJob), Status = 202)]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/jobs")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, options.Value.MaxInputBytes, cancellationToken);
                var key = ApiRequest.IdempotencyKey(request);
                await room.EnterAsync(caller.Tenant, () => intake.HasAcceptedAsync(body, key, caller, cancellationToken), cancellationToken);
                if (limits.TakeTokens(caller.Tenant, body, request.HttpContext.Response) is { } tooMany)
                {
                    return tooMany;
                }

                var job = await intake.SubmitAsync(body, key, caller, "POST /v1/jobs", cancellationToken);
                request.HttpContext.Response.Headers.Location = $"/v1/jobs/{job.Id}";
                return Api.Json(new AcceptedJob(job.Id, job.State), StatusCodes.Status202Accepted);
            },
            cancellationToken);
}
