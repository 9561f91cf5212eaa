namespace Batch.Jobs.Batches;

/// <summary>
/// Tells the dispatcher that slices have ended: at once when this process has no more of them or the dispatcher was not told lately, else after a while, so
/// that its turns cost little however many end.
/// </summary>
public sealed class DispatchNudge(BatchQueues queues, TimeProvider time)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private DateTimeOffset _told = DateTimeOffset.MinValue;

    /// <param name="isOutOfWork">Nothing is left here that could end.</param>
    /// <param name="cancellationToken">Gives up.</param>
    internal Task SendAsync(bool isOutOfWork, CancellationToken cancellationToken)
    {
        TimeSpan delay;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            if (_told > now && !isOutOfWork)
            {
                // A message is on its way that comes after this outcome.
                return Task.CompletedTask;
            }

            delay = isOutOfWork || now - _told >= Period ? TimeSpan.Zero : Period;
            _told = now + delay;
        }

        return queues.WakeAsync(delay, cancellationToken);
    }
}
