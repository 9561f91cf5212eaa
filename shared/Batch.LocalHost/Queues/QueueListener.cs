using Azure.Storage.Queues.Models;
using Batch.LocalHost.Functions;
using Batch.LocalHost.Hosting;
using Microsoft.Extensions.Logging;

namespace Batch.LocalHost.Queues;

/// <summary>
/// Takes messages from one queue and runs its function for each, as the Functions host does: a batch at a time, fetching again when few enough
/// are in flight; a message is deleted when the function returns, tried again when it throws, and moved to the poison queue after its last try.
/// </summary>
internal sealed partial class QueueListener(
    Function function, TriggerQueue queue, QueuesOptions options, FunctionInvoker invoker, Drain drain, TimeProvider time,
    ILogger<QueueListener> logger)
{
    private readonly List<Task> _inFlight = [];
    private readonly PollingInterval _polling = new(options.MaxPollingInterval, new Random(Environment.ProcessId));

    private enum Outcome
    {
        Succeeded,
        Failed,
        Cancelled,
    }

    /// <summary>Returns when no more is to be fetched and everything in flight has ended.</summary>
    public async Task RunAsync(CancellationToken stopFetching)
    {
        LogListening(function.Name, queue.Name, options.BatchSize, options.FetchAt);
        var stopped = Task.Delay(Timeout.InfiniteTimeSpan, stopFetching);
        while (!stopFetching.IsCancellationRequested)
        {
            var messages = await ReceiveAsync();
            if (stopFetching.IsCancellationRequested)
            {
                await Task.WhenAll(messages.Select(GiveBackAsync));
                break;
            }

            _inFlight.AddRange(messages.Select(ProcessAsync));
            if (messages.Length > 0)
            {
                _polling.Reset();
                await UntilFetchIsDueAsync(stopped);
            }
            else
            {
                await Task.Delay(_polling.Next(), time, stopFetching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        _inFlight.RemoveAll(task => task.IsCompleted);
        LogDraining(function.Name, _inFlight.Count);
        await Task.WhenAll(_inFlight);
    }

    /// <summary>
    /// Never cancelled: messages in a reply that nobody reads would stay locked for nobody. Storage that cannot be reached is asked again
    /// at the pace of an empty queue.
    /// </summary>
    private async Task<QueueMessage[]> ReceiveAsync()
    {
        try
        {
            return await queue.ReceiveAsync(options.BatchSize);
        }
        catch (Exception e)
        {
            LogNotReceived(e, queue.Name);
            return [];
        }
    }

    private async Task UntilFetchIsDueAsync(Task stopped)
    {
        _inFlight.RemoveAll(task => task.IsCompleted);
        while (_inFlight.Count > options.FetchAt && !stopped.IsCompleted)
        {
            await Task.WhenAny([stopped, .. _inFlight]);
            _inFlight.RemoveAll(task => task.IsCompleted);
        }
    }

    /// <summary>A failure to write the outcome leaves the message locked; when the lock ends it is received again.</summary>
    private async Task ProcessAsync(QueueMessage message)
    {
        try
        {
            if (message.DequeueCount > options.MaxDequeueCount)
            {
                // Its last try ended with the process.
                await queue.PoisonAsync(message, message.PopReceipt);
                return;
            }

            using var hold = queue.Hold(message);
            var outcome = await InvokeAsync(message);
            await CompleteAsync(message, await hold.ReleaseAsync(), outcome);
        }
        catch (Exception e)
        {
            LogNotCompleted(e, queue.Name, message.MessageId);
        }
    }

    private async Task<Outcome> InvokeAsync(QueueMessage message)
    {
        try
        {
            await Task.Yield();
            await invoker.InvokeAsync(function, parameter => QueueBinding.Bind(parameter, message), drain.Token);
            return Outcome.Succeeded;
        }
        catch (OperationCanceledException) when (drain.Token.IsCancellationRequested)
        {
            LogCancelled(function.Name, message.MessageId);
            return Outcome.Cancelled;
        }
        catch (Exception e)
        {
            LogFailed(e, function.Name, message.MessageId, message.DequeueCount, options.MaxDequeueCount);
            return Outcome.Failed;
        }
    }

    private Task CompleteAsync(QueueMessage message, string popReceipt, Outcome outcome) => outcome switch
    {
        Outcome.Succeeded => queue.DeleteAsync(message, popReceipt),
        Outcome.Cancelled => queue.ShowAgainAsync(message, popReceipt, TimeSpan.Zero),
        _ when message.DequeueCount >= options.MaxDequeueCount => queue.PoisonAsync(message, popReceipt),
        _ => queue.ShowAgainAsync(message, popReceipt, options.VisibilityTimeout),
    };

    private async Task GiveBackAsync(QueueMessage message)
    {
        try
        {
            await queue.ShowAgainAsync(message, message.PopReceipt, TimeSpan.Zero);
        }
        catch (Exception e)
        {
            LogNotCompleted(e, queue.Name, message.MessageId);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Function} listens to queue {Queue}, {BatchSize} at a time, fetching again at {FetchAt} in flight")]
    private partial void LogListening(string function, string queue, int batchSize, int fetchAt);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not fetch from queue {Queue}; asking again later")]
    private partial void LogNotReceived(Exception exception, string queue);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Function} failed on message {MessageId}, try {Try} of {Tries}")]
    private partial void LogFailed(Exception exception, string function, string messageId, long @try, int tries);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Function} was cancelled by shutdown; message {MessageId} goes back")]
    private partial void LogCancelled(string function, string messageId);

    [LoggerMessage(Level = LogLevel.Error, Message = "Could not record how message {MessageId} on {Queue} ended; it will be seen again when its lock ends")]
    private partial void LogNotCompleted(Exception exception, string queue, string messageId);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Function} takes no more messages; {InFlight} are still running")]
    private partial void LogDraining(string function, int inFlight);
}
