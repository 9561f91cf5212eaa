using Batch.Jobs;
using Batch.Jobs.Audit;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Batch.Functions;

/// <summary>
/// Cancels a job: 200 when it has ended, 202 when it runs and will end within about a second, 409 when it was finished before.
/// </summary>
public sealed class CancelJob(JobControl control, JobReader jobs, IOptions<AuditOptions> audit)
{
    [Function(nameof(CancelJob))]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "v1/jobs/{id}/cancel")] HttpRequest request,
        string id,
        CancellationToken cancellationToken)
    {
        var job = await control.CancelAsync(id, ApiRequest.Caller(request, audit.Value), cancellationToken);
        return job switch
        {
            null => Api.NotFound(id),
            { State: JobState.Cancelled } => Api.Json(jobs.View(job)),
            { IsFinished: false } => Api.Json(jobs.View(job), StatusCodes.Status202Accepted),
            _ => Api.Error(new InvalidJobException(
                JobErrorCode.JobFinished, $"job {id} is {Api.NameOf(job.State)} already; only a queued or running job can be cancelled")),
        };
    }
}
