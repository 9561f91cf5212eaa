using System.Collections.Concurrent;
using Azure.Storage.Queues.Models;
using Microsoft.Azure.Functions.Worker;

namespace Batch.LocalHost.Tests.Queues;

/// <summary>A queue-triggered function whose body a test writes; it keeps every message it was run for.</summary>
public sealed class Work(WorkLog log)
{
    [Function("Work")]
    public async Task RunAsync([QueueTrigger("%WorkQueue%")] QueueMessage message, CancellationToken cancellationToken)
    {
        log.Started(message);
        try
        {
            await log.Body(message, cancellationToken);
        }
        finally
        {
            log.Ended();
        }
    }
}

public sealed class WorkLog(Func<QueueMessage, CancellationToken, Task> body)
{
    private int _inFlight;
    private int _mostInFlight;

    public Func<QueueMessage, CancellationToken, Task> Body { get; } = body;

    public ConcurrentQueue<QueueMessage> Messages { get; } = [];

    public int InFlight => Volatile.Read(ref _inFlight);

    public int MostInFlight => Volatile.Read(ref _mostInFlight);

    public void Started(QueueMessage message)
    {
        var now = Interlocked.Increment(ref _inFlight);
        InterlockedMax(now);
        Messages.Enqueue(message);
    }

    public void Ended() => Interlocked.Decrement(ref _inFlight);

    private void InterlockedMax(int value)
    {
        int seen;
        while ((seen = MostInFlight) < value && Interlocked.CompareExchange(ref _mostInFlight, value, seen) != seen)
        {
        }
    }
}
