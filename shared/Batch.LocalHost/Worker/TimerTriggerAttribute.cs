using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>Runs the function on a schedule: a cron expression of five or six fields (the sixth, first, is seconds) or a TimeSpan.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class TimerTriggerAttribute(string schedule) : TriggerBindingAttribute
{
    public string Schedule { get; } = schedule;

    public bool RunOnStartup { get; set; }

    /// <summary>In the cloud, keeps the schedule across restarts. The local host keeps none: it starts counting when it starts.</summary>
    public bool UseMonitor { get; set; } = true;
}
