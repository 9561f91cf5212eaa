using System.Text.Json;

namespace Batch.Infra.Tests;

/// <summary>What host.json says of queues.</summary>
internal static class HostJson
{
    /// <summary>Invocations that run at once on a replica.</summary>
    public static int JobsAtOnce
    {
        get
        {
            using var host = JsonDocument.Parse(Repository.Read("host.json"));
            var queues = host.RootElement.GetProperty("extensions").GetProperty("queues");
            return queues.GetProperty("batchSize").GetInt32() + queues.GetProperty("newBatchThreshold").GetInt32();
        }
    }
}
