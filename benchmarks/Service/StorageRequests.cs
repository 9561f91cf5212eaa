using System.Diagnostics.Tracing;

namespace Batch.Benchmarks.Service;

/// <summary>Counts what every Azure client of this process sends, those of the host too.</summary>
internal sealed class StorageRequests : EventListener
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "Azure-Core")
        {
            EnableEvents(eventSource, EventLevel.Informational);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventName == "Request")
        {
            Interlocked.Increment(ref _count);
        }
    }
}
