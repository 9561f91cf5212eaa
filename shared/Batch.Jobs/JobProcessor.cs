using Azure.Storage.Queues.Models;
using Batch.Jobs.Events;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs;

/// <summary>
/// The life of a job, from its message to its event. Any number may run at once, and a message may come twice, even at the same time: the
/// world sees one result and one event id.
/// </summary>
public sealed partial class JobProcessor(
    JobIntake intake, JobGenerator generator, JobStore store, EventPublisher events, TimeProvider time, ILogger<JobProcessor> logger)
{
    /// <summary>
    /// Find the job, run it unless it is finished, tell of it unless that is done. What throws is retried by the queue; what returns is
    /// done with the message.
    /// </summary>
    public async Task ProcessAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var (job, carried) = await intake.FromQueueAsync(message, cancellationToken);

        // Checkpoint: the row. From here on a redelivery finds the same job with the same seed, whether the message named it or was it.
        if (!job.IsFinished && (carried || job.NotBefore > time.GetUtcNow()))
        {
            // It goes on as a message that names it, since poison and replay know it by its name. A crash here leaves two; the second finds
            // the job finished.
            await intake.EnqueueAsync(job, cancellationToken);
            return;
        }

        try
        {
            job = job.IsFinished ? job : await RunAsync(job, message.DequeueCount, cancellationToken);
        }
        catch (InvalidJobException e)
        {
            job = await store.UpdateAsync(job, row => row.Fail(e, time.GetUtcNow()), cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            LogPreempted(job.Id);
            await store.UpdateAsync(job, row => row.HandBack(fault: null), CancellationToken.None);
            throw;
        }
        catch (Exception e)
        {
            LogFaulted(e, job.Id, message.DequeueCount);
            await store.UpdateAsync(job, row => row.HandBack(e), cancellationToken);
            throw;
        }

        // Checkpoint: the terminal row, with the event pending in it. A crash from here on publishes on the next delivery and runs nothing
        // again.
        await events.PublishAsync(job, cancellationToken);
    }

    /// <summary>
    /// For a message that was delivered as often as host.json allows: the job fails with its last error, and an operator may replay it.
    /// Where shutdowns took some of those deliveries the job is not to blame and gets another round.
    /// </summary>
    public async Task GiveUpAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var (job, _) = await intake.FromQueueAsync(message, cancellationToken);
        if (!job.IsFinished && job.Preemptions > job.PreemptionsForgiven)
        {
            // Enqueued before it is noted: a crash between them gives a round too many, not a job forgotten.
            await intake.EnqueueAsync(job, cancellationToken);
            await store.UpdateAsync(job, row => row with { PreemptionsForgiven = row.Preemptions }, cancellationToken);
            return;
        }

        if (!job.IsFinished)
        {
            // Kept before the job is failed: a crash between them keeps it twice rather than not at all.
            await intake.KeepForReplayAsync(job, cancellationToken);
        }

        var error = new InvalidJobException(
            JobErrorCode.RetriesExhausted,
            $"gave up after {job.Attempts} attempts; the last error was: {job.LastError ?? "the process ended without one"}");
        job = await store.UpdateAsync(job, row => row.Fail(error, time.GetUtcNow()), cancellationToken);
        await events.PublishAsync(job, cancellationToken);
    }

    private async Task<Job> RunAsync(Job job, long dequeueCount, CancellationToken cancellationToken)
    {
        var result = job.Attempts > 0 ? await store.FindResultAsync(job, cancellationToken) : null;
        if (result is null)
        {
            await generator.ReadyAsync(job, cancellationToken);
            job = await store.UpdateAsync(job, row => row.Start(time.GetUtcNow(), dequeueCount), cancellationToken);
            if (job.IsFinished)
            {
                return job;
            }

            LogStarted(job.Id, job.Attempts, job.Tenant);
            result = await store.AddResultAsync(job, await generator.GenerateAsync(job, cancellationToken), cancellationToken);
        }

        // Checkpoint: the result blob, written once. A crash before the row says so finds the blob again instead of writing the text a
        // second time.
        return await store.UpdateAsync(job, row => row.Finish(result), cancellationToken);
    }

    [LoggerMessage(LogLevel.Information, "Job {JobId} starts, attempt {Attempt}, tenant {Tenant}")]
    private partial void LogStarted(string jobId, int attempt, string tenant);

    [LoggerMessage(LogLevel.Information, "Job {JobId} is handed back: the host is shutting down")]
    private partial void LogPreempted(string jobId);

    [LoggerMessage(LogLevel.Warning, "Job {JobId} met a fault at delivery {DequeueCount}; the queue will bring it again")]
    private partial void LogFaulted(Exception exception, string jobId, long dequeueCount);
}
