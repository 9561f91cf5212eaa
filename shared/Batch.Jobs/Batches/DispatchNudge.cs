namespace Batch.Jobs.Batches;

/// <summary>
/// Tells the dispatcher that slices have ended: at once when it was not told lately, else within a second, and so at most once a second from
/// each process however many end.
/// </summary>
public sealed class DispatchNudge(BatchQueues queues, TimeProvider time)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private DateTimeOffset _told = DateTimeOffset.MinValue;

    internal Task SendAsync(CancellationToken cancellationToken)
    {
        TimeSpan delay;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            if (_told > now)
            {
                // A message is on its way that comes after this outcome.
                return Task.CompletedTask;
            }

            delay = now - _told < Period ? Period : TimeSpan.Zero;
            _told = now + delay;
        }

        return queues.WakeAsync(delay, cancellationToken);
    }
}
