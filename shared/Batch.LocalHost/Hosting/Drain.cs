using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Batch.LocalHost.Hosting;

/// <summary>
/// Shutdown in two steps: when it begins nothing new starts, and what runs may finish; when the drain period is over,
/// <see cref="Token"/> cancels what is left.
/// </summary>
internal sealed class Drain : IDisposable
{
    /// <summary>How long a cancelled invocation has to save its work before the process leaves it.</summary>
    public static readonly TimeSpan TimeToCancel = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _end;
    private readonly CancellationTokenRegistration _stopping;

    public Drain(IHostApplicationLifetime lifetime, IOptions<LocalHostOptions> options, TimeProvider time)
    {
        _end = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _stopping = lifetime.ApplicationStopping.Register(() => _end.CancelAfter(options.Value.Drain));
    }

    public CancellationToken Token => _end.Token;

    public void Dispose()
    {
        _stopping.Dispose();
        _end.Dispose();
    }
}
