using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Runs;

/// <summary>
/// When runs are to be put down. The Functions host cancels the token of each invocation; in drain mode, which Kubernetes and a setting turn on, it cancels
/// none, and the stopping of the worker itself is the sign.
/// </summary>
public sealed partial class ShutdownSignal
{
    /// <summary>The setting that turns drain mode on.</summary>
    public const string DrainSetting = "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING";

    // Set in every container that Kubernetes runs, Container Apps among them.
    private const string Kubernetes = "KUBERNETES_SERVICE_HOST";

    private readonly CancellationToken _stopping;

    public ShutdownSignal(IConfiguration configuration, IHostApplicationLifetime lifetime, ILogger<ShutdownSignal> logger)
    {
        var reason = !string.IsNullOrEmpty(configuration[Kubernetes]) ? Kubernetes
            : bool.TryParse(configuration[DrainSetting], out var drains) && drains ? DrainSetting
            : null;
        _stopping = reason is null ? CancellationToken.None : lifetime.ApplicationStopping;
        if (reason is null)
        {
            LogToken(logger);
        }
        else
        {
            LogDrain(logger, reason);
        }
    }

    /// <summary>For tests: the invocation's token alone.</summary>
    internal ShutdownSignal(CancellationToken stopping) => _stopping = stopping;

    /// <summary>Cancelled when runs of the invocation are to be put down.</summary>
    public CancellationTokenSource Link(CancellationToken invocation) => CancellationTokenSource.CreateLinkedTokenSource(invocation, _stopping);

    [LoggerMessage(LogLevel.Information, "On shutdown runs are saved and handed on when the host cancels their invocations")]
    private static partial void LogToken(ILogger logger);

    [LoggerMessage(LogLevel.Information, "Drain mode ({Reason}): the host cancels no invocation, so on shutdown runs are saved and handed on when the application stops")]
    private static partial void LogDrain(ILogger logger, string reason);
}
