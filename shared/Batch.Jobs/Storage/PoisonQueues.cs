using Azure;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;

namespace Batch.Jobs.Storage;

/// <summary>Where jobs' messages end that nobody could do anything with.</summary>
public sealed class PoisonQueues(StorageClients clients)
{
    private const int PageSize = 32;

    // As long as looking at a page may take.
    private static readonly TimeSpan Hidden = TimeSpan.FromSeconds(50);

    private readonly QueueClient _poison = clients.Queues.GetQueueClient(JobQueues.PoisonJobs);
    private readonly QueueClient _failed = clients.Queues.GetQueueClient(JobQueues.FailedJobs);
    private readonly QueueClient? _undeliverable = clients.Raw?.GetQueueClient($"{JobQueues.PoisonJobs}-poison");

    /// <summary>Messages as they were sent: what is no base64, and what could not be given up.</summary>
    public async Task<IReadOnlyList<QueueMessage>> ReceiveUndeliverableAsync(CancellationToken cancellationToken)
    {
        try
        {
            return _undeliverable is null ? [] : (await _undeliverable.ReceiveMessagesAsync(PageSize, Hidden, cancellationToken)).Value;
        }
        catch (RequestFailedException e) when (e.ErrorCode == QueueErrorCode.QueueNotFound)
        {
            return [];
        }
    }

    public async Task DeleteUndeliverableAsync(QueueMessage message, CancellationToken cancellationToken) =>
        await _undeliverable!.DeleteMessageAsync(message.MessageId, message.PopReceipt, cancellationToken);

    /// <summary>Has a message given up once more.</summary>
    public async Task PoisonAsync(BinaryData body, CancellationToken cancellationToken)
    {
        await _poison.CreateIfNotExistsAsync(cancellationToken: cancellationToken);
        await _poison.SendMessageAsync(body, TimeSpan.Zero, TimeSpan.FromSeconds(-1), cancellationToken);
    }

    /// <summary>Names of failed jobs, hidden while they are looked at.</summary>
    public async Task<IReadOnlyList<QueueMessage>> ReceiveFailedAsync(CancellationToken cancellationToken) =>
        (await _failed.ReceiveMessagesAsync(PageSize, Hidden, cancellationToken)).Value;

    public async Task DeleteFailedAsync(QueueMessage message, CancellationToken cancellationToken) =>
        await _failed.DeleteMessageAsync(message.MessageId, message.PopReceipt, cancellationToken);
}
