using Azure;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Microsoft.Extensions.Logging;

namespace Batch.LocalHost.Queues;

/// <summary>
/// Keeps a message hidden while it is worked on, by renewing at half of each lock. Each renewal changes the receipt that later writes need,
/// so <see cref="ReleaseAsync"/> comes before them.
/// </summary>
internal sealed partial class MessageLock : IDisposable
{
    private readonly QueueClient _queue;
    private readonly string _messageId;
    private readonly TimeSpan _duration;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _released = new();
    private readonly Task _renewing;
    private string _popReceipt;

    public MessageLock(QueueClient queue, QueueMessage message, TimeSpan duration, TimeProvider time, ILogger logger)
    {
        _queue = queue;
        _messageId = message.MessageId;
        _popReceipt = message.PopReceipt;
        _duration = duration;
        _time = time;
        _logger = logger;
        _renewing = RenewAsync();
    }

    /// <summary>Stops renewing; returns the receipt that is now valid, if the lock still holds.</summary>
    public async Task<string> ReleaseAsync()
    {
        await _released.CancelAsync();
        await _renewing;
        return _popReceipt;
    }

    public void Dispose() => _released.Dispose();

    private async Task RenewAsync()
    {
        var wait = _duration / 2;
        while (await IsStillHeldAfterAsync(wait))
        {
            try
            {
                // Not cancelled on release: the new receipt must not be lost on its way.
                UpdateReceipt receipt = await _queue.UpdateMessageAsync(
                    _messageId, _popReceipt, visibilityTimeout: _duration, cancellationToken: CancellationToken.None);
                _popReceipt = receipt.PopReceipt;
                wait = _duration / 2;
            }
            catch (RequestFailedException e) when (IsLost(e))
            {
                LogLost(_queue.Name, _messageId);
                return;
            }
            catch (Exception e)
            {
                LogNotRenewed(e, _queue.Name, _messageId);
                wait = _duration / 8;
            }
        }
    }

    /// <summary>The message is gone, or someone else received it.</summary>
    public static bool IsLost(RequestFailedException e) =>
        e.ErrorCode == QueueErrorCode.MessageNotFound || e.ErrorCode == QueueErrorCode.PopReceiptMismatch;

    private async Task<bool> IsStillHeldAfterAsync(TimeSpan wait)
    {
        await Task.Delay(wait, _time, _released.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !_released.IsCancellationRequested;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Lost the lock of message {MessageId} on {Queue}: it will run again, or does already")]
    private partial void LogLost(string queue, string messageId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not renew the lock of message {MessageId} on {Queue}; trying again")]
    private partial void LogNotRenewed(Exception exception, string queue, string messageId);
}
