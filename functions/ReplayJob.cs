using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>Lets a failed job run again, under its id and seed: 202, or 409 when it has not failed.</summary>
public sealed class ReplayJob(ApiGate gate, JobControl control, JobReader jobs)
{
    [Function(nameof(ReplayJob))]
    [Operation("Lets a failed job run again, under its id and seed", ApiScopes.Submit, Answers = typeof(JobView), Status = 202, Refuses = [409])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/jobs/{id}/replay")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller => await control.ReplayAsync(id, caller, cancellationToken) switch
            {
                null => Api.NotFound(id),
                { State: JobState.Queued } job => Api.Json(jobs.View(job), StatusCodes.Status202Accepted),
                var job => throw new InvalidJobException(
                    JobErrorCode.JobFinished, $"job {id} is {Api.NameOf(job.State)}; only a failed job can be replayed"),
            },
            cancellationToken);
}
