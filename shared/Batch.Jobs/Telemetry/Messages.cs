using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Batch.Jobs.Telemetry;

/// <summary>Spans and numbers of messages on queues, in the words of OpenTelemetry's conventions for messaging.</summary>
internal static class Messages
{
    private const string Destination = "messaging.destination.name";

    private static readonly Meter Meter = new(MetricNames.Meter);
    private static readonly Counter<long> Sent = Meter.CreateCounter<long>(MetricNames.SentMessages, "{message}", "Messages put on a queue.");
    private static readonly Counter<long> Consumed = Meter.CreateCounter<long>(MetricNames.ConsumedMessages, "{message}", "Messages taken from a queue, each delivery once.");
    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>(MetricNames.ProcessDuration, "s", "What a message took, from its delivery to its end.");

    public static KeyValuePair<string, object?> System => new("messaging.system", "azure_storage_queues");

    /// <summary>The span of putting a message on a queue; its id is what the message carries.</summary>
    public static Activity? Send(string queue, string? traceparent = null)
    {
        Sent.Add(1, System, On(queue), Operation("send"));
        return Tracing.Start($"send {queue}", ActivityKind.Producer, traceparent, System, On(queue), Operation("send"), Type("send"));
    }

    /// <summary>The span of a message's delivery.</summary>
    public static Activity? Process(string queue, string? traceparent, string messageId, long deliveries) => Tracing.Start(
        $"process {queue}", ActivityKind.Consumer, traceparent, System, On(queue), Operation("process"), Type("process"),
        new("messaging.message.id", messageId), new("messaging.message.delivery_count", deliveries));

    public static void Processed(string queue, TimeSpan duration, Exception? error)
    {
        var tags = new TagList { System, On(queue), Operation("process") };
        if (error is not null)
        {
            tags.Add("error.type", error.GetType().FullName);
        }

        Consumed.Add(1, tags);
        Duration.Record(duration.TotalSeconds, tags);
    }

    internal static KeyValuePair<string, object?> On(string queue) => new(Destination, queue);

    private static KeyValuePair<string, object?> Operation(string name) => new("messaging.operation.name", name);

    private static KeyValuePair<string, object?> Type(string type) => new("messaging.operation.type", type);
}
