using Azure.Storage.Queues.Models;
using Batch.Jobs.Events;
using Batch.Jobs.Requests;
using Batch.Jobs.Runs;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs;

/// <summary>
/// The life of a job, from its message to its event. Any number may run at once, and a message may come twice, even at the same time: one run at a time
/// computes the job, and the world sees one result and one event id.
/// </summary>
public sealed partial class JobProcessor(
    JobIntake intake, JobGenerator generator, RunClaims claims, EventPublisher events, ShutdownSignal shutdown, ILogger<JobProcessor> logger)
{
    /// <summary>
    /// Find the job, run it unless it is finished, tell of it unless that is done. What throws is retried by the queue; what returns is
    /// done with the message.
    /// </summary>
    public async Task ProcessAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var (job, carried) = await intake.FromQueueAsync(message, cancellationToken);

        // Checkpoint: the row. From here on a redelivery finds the same job with the same seed, whether the message named it or was it.
        if (!job.IsFinished && (carried || intake.IsEarly(job)))
        {
            // It goes on as a message that names it, since poison and replay know it by its name. A crash here leaves two; the second finds
            // the job finished.
            await intake.EnqueueAsync(job, cancellationToken);
            return;
        }

        using var stop = shutdown.Link(cancellationToken);
        var ended = job.IsFinished ? job : await TryRunAsync(job, message.DequeueCount, stop.Token);

        // Checkpoint: the terminal row, with the event pending in it. A crash from here on publishes on the next delivery and runs nothing
        // again.
        if (ended is { IsFinished: true })
        {
            await events.PublishAsync(ended, CancellationToken.None);
        }
    }

    /// <summary>
    /// For a message that was delivered as often as host.json allows: the job fails with its last error, and an operator may replay it. One that a run has
    /// now is left to it, and one that got further than when it was last given up goes on.
    /// </summary>
    public async Task GiveUpAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var (job, _) = await intake.FromQueueAsync(message, cancellationToken);
        if (!job.IsFinished)
        {
            var wait = await claims.FindWaitAsync(job, cancellationToken);
            var draws = wait is null && job.Epoch > 0 ? await claims.CountDrawsAsync(job, cancellationToken) : 0;
            if (wait is not null || draws > job.DrawsSeen)
            {
                // Enqueued before it is noted: a crash between them gives a round too many, not a job forgotten.
                await intake.EnqueueAsync(job, wait ?? TimeSpan.Zero, cancellationToken);
                await claims.UpdateAsync(job, row => row.DrawsSeen < draws ? row with { DrawsSeen = draws } : row, cancellationToken);
                return;
            }
        }

        await events.PublishAsync(await GiveUpAsync(job, cancellationToken), cancellationToken);
    }

    private async Task<Job> GiveUpAsync(Job job, CancellationToken cancellationToken)
    {
        if (job.IsFinished)
        {
            return job;
        }

        // Kept before the job is failed: a crash between them keeps it twice rather than not at all.
        await intake.KeepForReplayAsync(job, cancellationToken);
        var error = new InvalidJobException(
            JobErrorCode.RetriesExhausted,
            $"gave up after {job.Attempts} attempts; the last error was: {job.LastError ?? "the process ended without one"}");
        return await claims.FailAsync(job, error, cancellationToken);
    }

    // Null when it is not for this delivery to end the job.
    private async Task<Job?> TryRunAsync(Job job, long dequeueCount, CancellationToken stop)
    {
        var isMine = false;
        try
        {
            await generator.ReadyAsync(job, stop);
            var run = await claims.TakeAsync(job, dequeueCount, stop);
            (job, isMine) = (run.Job, run.Wait is null);
            if (run.Wait is { } wait)
            {
                // It lives elsewhere. This message comes back when it may have died: a new one, so that waiting uses up no delivery.
                LogSteppedBack(job.Id, wait);
                await intake.EnqueueAsync(job, wait, CancellationToken.None);
                return null;
            }

            return job.IsFinished ? job : job.Deaths >= JobQueues.MaxDequeueCount ? await GiveUpAsync(job, stop) : await RunAsync(run, stop);
        }
        catch (InvalidJobException e) when (isMine || job.State == JobState.Queued)
        {
            return await claims.FailAsync(job, e, CancellationToken.None);
        }
        catch (RunLostException)
        {
            LogLost(job.Id);
            return null;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The host shuts down. The run's checkpoint is written; a message of its own brings the job to who goes on. A crash before that message leaves the
            // one that is being worked on, which comes again when its lock ends.
            LogPreempted(job.Id);
            job = isMine ? await claims.UpdateAsync(job, row => row.HandBack(fault: null), CancellationToken.None) : job;
            await intake.EnqueueAsync(job, CancellationToken.None);
            return null;
        }
        catch (Exception e) when (isMine || job.State == JobState.Queued)
        {
            LogFaulted(e, job.Id, dequeueCount);
            await claims.UpdateAsync(job, row => row.HandBack(e), CancellationToken.None);
            throw;
        }
    }

    private async Task<Job> RunAsync(JobRun run, CancellationToken stop)
    {
        LogStarted(run.Job.Id, run.Job.Attempts, run.Job.Tenant, run.From?.Draws ?? 0);
        var result = await generator.ResultAsync(run, stop);

        // Checkpoint: the result blob, written once. A crash before the row says so finds the blob again instead of writing the text a
        // second time. These last writes are made even while the host shuts down.
        return await claims.UpdateAsync(run.Job, row => row.Finish(result), CancellationToken.None);
    }

    [LoggerMessage(LogLevel.Information, "Job {JobId} starts, attempt {Attempt}, tenant {Tenant}, with {Draws} tokens drawn before")]
    private partial void LogStarted(string jobId, int attempt, string tenant, int draws);

    [LoggerMessage(LogLevel.Information, "Job {JobId} is run by another; its message comes again in {Wait}")]
    private partial void LogSteppedBack(string jobId, TimeSpan wait);

    [LoggerMessage(LogLevel.Warning, "Job {JobId} was taken over by another run; this one ends without a trace")]
    private partial void LogLost(string jobId);

    [LoggerMessage(LogLevel.Information, "Job {JobId} is handed on: the host is shutting down")]
    private partial void LogPreempted(string jobId);

    [LoggerMessage(LogLevel.Warning, "Job {JobId} met a fault at delivery {DequeueCount}; the queue will bring it again")]
    private partial void LogFaulted(Exception exception, string jobId, long dequeueCount);
}
