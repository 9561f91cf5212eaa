using System.Collections.Concurrent;
using Azure.Core;
using Azure.Core.Pipeline;

namespace Batch.Jobs.Tests;

/// <summary>
/// In the pipeline of every storage client: kills the "process" after its n-th write has reached storage. Nothing that it tries afterwards
/// reaches storage.
/// </summary>
internal sealed class StorageFaults : HttpPipelinePolicy
{
    private int _writesLeft = int.MaxValue;
    private volatile bool _dead;

    /// <summary>Called before each request is sent, with its method and address.</summary>
    public Func<RequestMethod, Uri, Task>? BeforeRequest { get; set; }

    /// <summary>The address of every message that was sent, with its visibility delay.</summary>
    public ConcurrentQueue<string> Sent { get; } = [];

    public void CrashAfterWrite(int n) => (_writesLeft, _dead) = (n, false);

    /// <summary>Gives how many writes were left until the crash.</summary>
    public int Revive()
    {
        var left = _writesLeft;
        (_writesLeft, _dead) = (int.MaxValue, false);
        return left;
    }

    public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline) =>
        throw new NotSupportedException("storage is called asynchronously");

    public override async ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
    {
        if (_dead)
        {
            throw new SimulatedCrashException();
        }

        await (BeforeRequest?.Invoke(message.Request.Method, message.Request.Uri.ToUri()) ?? Task.CompletedTask);
        await ProcessNextAsync(message, pipeline);
        if (message.Request.Method == RequestMethod.Post && message.Request.Uri.Path.EndsWith("/messages", StringComparison.Ordinal))
        {
            Sent.Enqueue(message.Request.Uri.ToString());
        }

        if (message.Request.Method != RequestMethod.Get && message.Request.Method != RequestMethod.Head && Interlocked.Decrement(ref _writesLeft) == 0)
        {
            _dead = true;
            throw new SimulatedCrashException();
        }
    }
}

internal sealed class SimulatedCrashException : Exception;
