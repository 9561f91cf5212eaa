using Azure;
using Azure.Core;
using Azure.Core.Pipeline;

namespace Batch.Functions.Tests.Faults;

/// <summary>What befalls a write to storage.</summary>
internal enum FaultKind
{
    /// <summary>The process is killed right after the write reached storage: nothing that it tries afterwards gets there.</summary>
    Crash,

    /// <summary>The write reached storage, its answer does not come back.</summary>
    LostAnswer,

    /// <summary>The write is refused with 503 and did nothing.</summary>
    Throttled,

    /// <summary>The connection breaks before the write gets there.</summary>
    Reset,
}

/// <summary>
/// In the pipeline of every storage client, which does not try again by itself: counts writes and lets the chosen one fail. Delays of messages are taken away,
/// since the emulator's clock is not the test's.
/// </summary>
internal sealed class StorageFault : HttpPipelinePolicy
{
    private int _writes;
    private int _at = int.MaxValue;
    private FaultKind _kind;
    private volatile bool _dead;

    /// <summary>Whether the fault that was armed has come.</summary>
    public bool Happened { get; private set; }

    public bool IsDead => _dead;

    public void Arm(FaultKind kind, int write) => (_kind, _at, _writes, _dead, Happened) = (kind, write, 0, false, false);

    public void Disarm() => (_at, _dead) = (int.MaxValue, false);

    public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline) => throw new NotSupportedException("storage is called asynchronously");

    public override async ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
    {
        if (_dead)
        {
            throw new KilledException();
        }

        var isRead = message.Request.Method == RequestMethod.Get || message.Request.Method == RequestMethod.Head;
        var isHit = !isRead && Interlocked.Increment(ref _writes) == _at;
        Happened |= isHit;
        if (isHit && _kind is FaultKind.Throttled or FaultKind.Reset && isHit)
        {
            throw _kind == FaultKind.Reset ? new IOException("connection reset by peer") : new RequestFailedException(503, "ServerBusy", "ServerBusy", null);
        }

        ShowAtOnce(message.Request);
        await ProcessNextAsync(message, pipeline);
        if (isHit)
        {
            _dead = _kind == FaultKind.Crash;
            throw _dead ? new KilledException() : new RequestFailedException(0, "the answer was lost", new IOException("connection reset by peer"));
        }
    }

    private static void ShowAtOnce(Request request)
    {
        const string Delay = "visibilitytimeout=";
        var query = request.Uri.Query;
        if (request.Method == RequestMethod.Post && query.Contains(Delay, StringComparison.Ordinal))
        {
            request.Uri.Query = string.Join('&', query.TrimStart('?').Split('&').Where(part => !part.StartsWith(Delay, StringComparison.Ordinal)));
        }
    }
}

/// <summary>Stands for the end of the process.</summary>
internal sealed class KilledException : Exception;
