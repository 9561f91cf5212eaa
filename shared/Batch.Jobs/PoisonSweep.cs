using Batch.Jobs.Events;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs;

/// <summary>
/// Sees each minute to what lies on the poison queues: jobs that could not even be given up, and names of failed jobs that have been replayed. Any number may
/// sweep at once; all it does is safe to do twice.
/// </summary>
public sealed partial class PoisonSweep(JobStore store, PoisonQueues poison, JobIntake intake, EventPublisher events, TimeProvider time, ILogger<PoisonSweep> logger)
{
    private const int MostPages = 10;

    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        await RetryPoisonAsync(cancellationToken);
        await ForgetReplayedAsync(cancellationToken);
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
                var isNew = message.InsertedOn > time.GetUtcNow() - JobSweep.Patience; // its job may be about to fail
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

    [LoggerMessage(LogLevel.Error, "Message {MessageId} on batch-jobs was no base64; it is recorded as a failed job")]
    private partial void LogUndecodable(string messageId);
}
