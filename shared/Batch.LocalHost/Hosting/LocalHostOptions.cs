using System.ComponentModel.DataAnnotations;

namespace Batch.LocalHost.Hosting;

/// <summary>The settings under <c>LocalHost</c>: those that the Functions host in the cloud does not have.</summary>
internal sealed class LocalHostOptions
{
    /// <summary>The loopback port of the HTTP functions; 0 takes a free one.</summary>
    [Range(0, 65535)]
    public int Port { get; set; }

    /// <summary>The key that Function and Admin routes ask for; none are asked for when it is empty.</summary>
    public string? FunctionKey { get; set; }

    /// <summary>
    /// How long a fetched message stays hidden before it must be renewed. Ten minutes in the cloud; on one machine a killed process
    /// has no other host to take over, and a shorter lock is a shorter wait for the next start.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:02", "7.00:00:00")]
    public TimeSpan QueueLock { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long running invocations may go on after shutdown begins, before their token is cancelled.</summary>
    [Range(0, 3600)]
    public double DrainSeconds { get; set; } = 10;

    internal TimeSpan Drain => TimeSpan.FromSeconds(DrainSeconds);
}
