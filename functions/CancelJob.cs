using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>
/// Cancels a job: 200 when it has ended, 202 when it runs and will end within about a second, 409 when it was finished before.
/// </summary>
public sealed class CancelJob(ApiGate gate, JobControl control, JobReader jobs)
{
    [Function(nameof(CancelJob))]
    [Operation("Stops a job; the text so far is kept. 202 while it still runs", ApiScopes.Submit, Answers = typeof(JobView), OrStatus = 202, Refuses = [409])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/jobs/{id}/cancel")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller => await control.CancelAsync(id, caller, cancellationToken) switch
            {
                null => Api.NotFound(id),
                { State: JobState.Cancelled } job => Api.Json(jobs.View(job)),
                { IsFinished: false } job => Api.Json(jobs.View(job), StatusCodes.Status202Accepted),
                var job => throw new InvalidJobException(
                    JobErrorCode.JobFinished, $"job {id} is {Api.NameOf(job.State)} already; only a queued or running job can be cancelled"),
            },
            cancellationToken);
}
