using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>Runs the function once per queue message. The name may hold settings: <c>%WorkQueue%</c>.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class QueueTriggerAttribute(string queueName) : TriggerBindingAttribute
{
    public string QueueName { get; } = queueName;

    /// <summary>The setting, or prefix of settings, that says how to reach the storage account; AzureWebJobsStorage when null.</summary>
    public string? Connection { get; set; }
}
