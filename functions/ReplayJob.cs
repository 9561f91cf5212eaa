using Batch.Jobs;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>Lets a failed job run again, under its id and seed: 202, or 409 when it has not failed.</summary>
public sealed class ReplayJob(JobControl control, JobReader jobs)
{
    [Function(nameof(ReplayJob))]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "v1/jobs/{id}/replay")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => await control.ReplayAsync(id, cancellationToken) switch
    {
        null => Api.NotFound(id),
        { State: JobState.Queued } job => Api.Json(jobs.View(job), StatusCodes.Status202Accepted),
        var job => Api.Error(new InvalidJobException(
            JobErrorCode.JobFinished, $"job {id} is {Api.NameOf(job.State)}; only a failed job can be replayed")),
    };
}
