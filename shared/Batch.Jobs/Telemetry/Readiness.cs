using Microsoft.Extensions.Hosting;

namespace Batch.Jobs.Telemetry;

/// <summary>Whether this process can take work, and if not, why; and what is amiss all the same.</summary>
public sealed class Readiness(EngineHost engines, QueueWatch queues, IHostApplicationLifetime lifetime)
{
    // Probes come every few seconds, from anybody: storage is not asked for each.
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);

    public async Task<ReadinessReport> CheckAsync(CancellationToken cancellationToken)
    {
        var seen = await queues.LookAsync(Fresh, cancellationToken);
        var isDraining = lifetime.ApplicationStopping.IsCancellationRequested;
        var reason = isDraining ? "the host is shutting down: it takes no more work"
            : seen.Failure is { } failure ? $"the storage account cannot be reached: {failure}"
            : engines.NotReadyReason;
        return new ReadinessReport(
            reason, new StorageReport(seen.Failure is null, seen.At, seen.Failure), isDraining,
            [.. seen.Poisoned.Select(queue => $"{queue.Name} holds {queue.Messages} messages that were given up")]);
    }
}

/// <param name="Reason">Null when work can be taken.</param>
/// <param name="Storage">Whether the storage account answers.</param>
/// <param name="Draining">Shutdown has begun.</param>
/// <param name="Degraded">What somebody should look at; it keeps no work from being taken.</param>
public sealed record ReadinessReport(string? Reason, StorageReport Storage, bool Draining, IReadOnlyList<string> Degraded);

/// <summary>Whether the storage account answers.</summary>
/// <param name="Reachable">It does.</param>
/// <param name="CheckedAt">When that was looked at.</param>
/// <param name="Error">Why not, where it does not.</param>
public sealed record StorageReport(bool Reachable, DateTimeOffset CheckedAt, string? Error);
