using Azure;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Microsoft.Extensions.Logging;

namespace Batch.LocalHost.Queues;

/// <summary>One queue that triggers a function, and the <c>-poison</c> queue beside it. The first is created when missing, the second when needed.</summary>
internal sealed partial class TriggerQueue
{
    private readonly QueueClient _queue;
    private readonly QueueClient _poison;
    private readonly QueueClient _rawPoison;
    private readonly TimeSpan _lockDuration;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private bool _exists;

    public TriggerQueue(
        string name, Func<QueueClientOptions, QueueServiceClient> connect, QueueMessageEncoding encoding,
        TimeSpan lockDuration, TimeProvider time, ILogger logger)
    {
        var options = new QueueClientOptions { MessageEncoding = encoding };
        options.MessageDecodingFailed += undecodable => PoisonUndecodableAsync(undecodable.ReceivedMessage);
        var account = connect(options);
        _queue = account.GetQueueClient(name);
        _poison = account.GetQueueClient($"{name}-poison");
        _rawPoison = connect(new QueueClientOptions()).GetQueueClient($"{name}-poison");
        _lockDuration = lockDuration;
        _time = time;
        _logger = logger;
    }

    public string Name => _queue.Name;

    /// <summary>Fetches and locks up to <paramref name="count"/> messages that decode; the others go to the poison queue on the way.</summary>
    public async Task<QueueMessage[]> ReceiveAsync(int count)
    {
        if (!_exists)
        {
            await _queue.CreateIfNotExistsAsync();
            _exists = true;
        }

        try
        {
            return await _queue.ReceiveMessagesAsync(count, _lockDuration);
        }
        catch (RequestFailedException e) when (e.ErrorCode == QueueErrorCode.QueueNotFound)
        {
            _exists = false;
            return [];
        }
    }

    /// <summary>Keeps a received message locked until the lock is released.</summary>
    public MessageLock Hold(QueueMessage message) => new(_queue, message, _lockDuration, _time, _logger);

    public Task DeleteAsync(QueueMessage message, string popReceipt) => _queue.DeleteMessageAsync(message.MessageId, popReceipt);

    /// <summary>Gives the message back, to be received again after <paramref name="delay"/>.</summary>
    public Task ShowAgainAsync(QueueMessage message, string popReceipt, TimeSpan delay) =>
        _queue.UpdateMessageAsync(message.MessageId, popReceipt, visibilityTimeout: delay);

    /// <summary>A crash between copy and deletion leaves two copies, never none.</summary>
    public async Task PoisonAsync(QueueMessage message, string popReceipt)
    {
        await _poison.CreateIfNotExistsAsync();
        await _poison.SendMessageAsync(message.Body);
        await DeleteAsync(message, popReceipt);
        LogPoisoned(Name, message.MessageId, message.DequeueCount, _poison.Name);
    }

    /// <summary>Called by the client in the middle of a fetch, so that a failure here must not lose the messages that did decode.</summary>
    private async Task PoisonUndecodableAsync(QueueMessage raw)
    {
        try
        {
            await _rawPoison.CreateIfNotExistsAsync();
            await _rawPoison.SendMessageAsync(raw.Body);
            await DeleteAsync(raw, raw.PopReceipt);
            LogUndecodable(Name, raw.MessageId, _rawPoison.Name);
        }
        catch (Exception e)
        {
            LogStillUndecodable(e, Name, raw.MessageId);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Message {MessageId} on {Queue} failed {DequeueCount} times; moved to {PoisonQueue}")]
    private partial void LogPoisoned(string queue, string messageId, long dequeueCount, string poisonQueue);

    [LoggerMessage(Level = LogLevel.Error, Message = "Message {MessageId} on {Queue} is not valid base64; moved to {PoisonQueue}")]
    private partial void LogUndecodable(string queue, string messageId, string poisonQueue);

    [LoggerMessage(Level = LogLevel.Error, Message = "Message {MessageId} on {Queue} is not valid base64, and could not be moved; it will be seen again")]
    private partial void LogStillUndecodable(Exception exception, string queue, string messageId);
}
