using System.Text.Json;
using Azure.Storage.Queues;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Jobs.Batches;

/// <summary>The queues of batches.</summary>
public sealed class BatchQueues(StorageClients clients)
{
    public const string Lines = "batch-lines";
    public const string PoisonLines = "batch-lines-poison";
    public const string Dispatch = "batch-dispatch";
    public const string PoisonDispatch = "batch-dispatch-poison";

    private static readonly TimeSpan NeverExpires = TimeSpan.FromSeconds(-1);

    private readonly QueueClient _lines = clients.Queues.GetQueueClient(Lines);
    private readonly QueueClient _dispatch = clients.Queues.GetQueueClient(Dispatch);

    /// <summary>Has a batch validated.</summary>
    public async Task ValidateAsync(BatchRow row, CancellationToken cancellationToken)
    {
        using var span = Messages.Send(Dispatch, row.Traceparent);
        await SendAsync(_dispatch, new DispatchMessage(row.Tenant, row.Id, Traceparent: span?.Id ?? row.Traceparent), TimeSpan.Zero, cancellationToken);
    }

    /// <summary>Has the dispatcher look at all batches.</summary>
    public Task WakeAsync(TimeSpan delay, CancellationToken cancellationToken) =>
        SendAsync(_dispatch, new DispatchMessage(), delay, cancellationToken);

    internal Task ScheduleTurnAsync(long turn, TimeSpan delay, CancellationToken cancellationToken) =>
        SendAsync(_dispatch, new DispatchMessage(Turn: turn), delay, cancellationToken);

    internal Task RunAsync(SliceMessage slice, CancellationToken cancellationToken) => RunAsync(slice, TimeSpan.Zero, cancellationToken);

    internal async Task RunAsync(SliceMessage slice, TimeSpan delay, CancellationToken cancellationToken)
    {
        using var span = Messages.Send(Lines, slice.Traceparent);
        await SendAsync(_lines, slice with { Traceparent = span?.Id ?? slice.Traceparent }, delay, cancellationToken);
    }

    /// <summary>Slices that wait or run, nearly.</summary>
    internal async Task<int> CountRunningAsync(CancellationToken cancellationToken) =>
        (await _lines.GetPropertiesAsync(cancellationToken)).Value.ApproximateMessagesCount;

    private static async Task SendAsync<T>(QueueClient queue, T message, TimeSpan delay, CancellationToken cancellationToken)
    {
        var visible = TimeSpan.FromSeconds(Math.Ceiling(Math.Clamp(delay.TotalSeconds, 0, JobQueues.LongestDelay.TotalSeconds)));
        await queue.SendMessageAsync(
            BinaryData.FromBytes(JsonSerializer.SerializeToUtf8Bytes(message, JobJson.Options)), visible, NeverExpires, cancellationToken);
    }
}
