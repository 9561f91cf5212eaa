using Batch.Jobs.Events;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs;

/// <summary>
/// Sees each minute to what would otherwise rest for ever: jobs whose submission died between row and message, jobs that could not even be given up, and
/// names on the queue of failed jobs whose job has been replayed. Any number may sweep at once; all it does is safe to do twice.
/// </summary>
public sealed partial class JobSweep(
    JobStore store, JobQueues queues, PoisonQueues poison, JobIntake intake, EventPublisher events, TimeProvider time, ILogger<JobSweep> logger)
{
    // Also what clocks of replicas and storage may differ by.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private const int MostJobs = 20_000;
    private const int AtOnce = 8;
    private const int MostPages = 10;

    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        await EnqueueForgottenAsync(cancellationToken);
        await RetryPoisonAsync(cancellationToken);
        await ForgetReplayedAsync(cancellationToken);
    }

    /// <summary>
    /// A job that is older than the first message of the queue and was never begun has no message. Each job is looked at once in its life: what was made
    /// before the mark has been.
    /// </summary>
    private async Task EnqueueForgottenAsync(CancellationToken cancellationToken)
    {
        var mark = await store.FindSweepMarkAsync(time.GetUtcNow() - Hour, cancellationToken);
        var until = time.GetUtcNow() - Patience;
        if (await queues.FindOldestJobAsync(cancellationToken) is { } first && first - Patience < until)
        {
            until = first - Patience;
        }

        var (seen, last) = (0, until);
        await Parallel.ForEachAsync(
            store.ListMadeAsync(mark.At, until, cancellationToken).Take(MostJobs), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (made, token) =>
            {
                if (Interlocked.Increment(ref seen) == MostJobs)
                {
                    last = made.At; // and those beside it once more
                }

                if (await store.FindAsync(made.Id, made.Tenant, token) is { State: JobState.Queued, Epoch: 0 } job)
                {
                    LogForgotten(job.Id);
                    await intake.EnqueueAsync(job, token);
                }
            });
        if (last > mark.At)
        {
            // Checkpoint: the mark. A crash before it looks at the same jobs again.
            await store.TryWriteSweepMarkAsync(mark with { At = last }, cancellationToken);
        }
    }

    // What lies on the poison queue of the poison queue is no message at all, or of a job that could not be given up in several tries: it is tried again.
    private async Task RetryPoisonAsync(CancellationToken cancellationToken)
    {
        foreach (var message in await poison.ReceiveUndeliverableAsync(cancellationToken))
        {
            if (Decode(message.Body.ToString()) is { } body)
            {
                await poison.PoisonAsync(body, cancellationToken);
            }
            else
            {
                LogUndecodable(message.MessageId);
                await events.PublishAsync(await intake.AddUndecodableAsync(message, cancellationToken), cancellationToken);
            }

            // Checkpoint: it is recorded, or on its way. A crash before this does it again, to the same job.
            await poison.DeleteUndeliverableAsync(message, cancellationToken);
        }
    }

    private async Task ForgetReplayedAsync(CancellationToken cancellationToken)
    {
        for (var page = 0; page < MostPages; page++)
        {
            var messages = await poison.ReceiveFailedAsync(cancellationToken);
            foreach (var message in messages)
            {
                var named = message.Body.ToObjectFromJson<JobMessage>();
                var isNew = message.InsertedOn > time.GetUtcNow() - Patience; // its job may be about to fail
                if (named is null || (!isNew && await store.FindAsync(named.JobId, named.Tenant ?? Access.Caller.DefaultTenant, cancellationToken) is not { State: JobState.Failed }))
                {
                    await poison.DeleteFailedAsync(message, cancellationToken);
                }
            }

            if (messages.Count == 0)
            {
                return;
            }
        }
    }

    private static BinaryData? Decode(string raw)
    {
        try
        {
            return BinaryData.FromBytes(Convert.FromBase64String(raw));
        }
        catch (FormatException)
        {
            return null;
        }
    }

    [LoggerMessage(LogLevel.Warning, "Job {JobId} had no message; it has one now")]
    private partial void LogForgotten(string jobId);

    [LoggerMessage(LogLevel.Error, "Message {MessageId} on batch-jobs was no base64; it is recorded as a failed job")]
    private partial void LogUndecodable(string messageId);
}
