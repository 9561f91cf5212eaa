using System.Text.Json;
using Azure.Storage.Queues.Models;

namespace Batch.Jobs.Batches;

/// <summary>
/// Runs the lines of one slice, side by side, and writes how they ended into one blob. The batch's row is not touched: the dispatcher
/// gathers what lies there. A slice may be delivered twice, even at the same time: the first outcome stands.
/// </summary>
public sealed class SliceProcessor(
    BatchStore store, BatchBlobs blobs, BatchWatch watch, LineRunner lines, DispatchNudge nudge, EngineHost engines)
{
    // host.json's maxDequeueCount: after it the message goes to the poison queue.
    private const int LastTry = 5;

    public async Task ProcessAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var work = Read(message);
        if (await store.FindAsync(work.Tenant, work.BatchId, cancellationToken) is not { IsFinal: false } row || row.HasCollected(work.Number))
        {
            return;
        }

        var watched = watch.Enter(row);
        try
        {
            await WaitForEngineAsync(watched, cancellationToken);
            var texts = await ReadLinesAsync(work, cancellationToken);
            var outcomes = await Task.WhenAll(texts.Select(text => lines.RunAsync(row, text, watched, message.DequeueCount >= LastTry, cancellationToken)));
            await blobs.AddOutcomeAsync(work.BatchId, work.Number, SliceOutcome.Of(outcomes, work.Slice.Tokens), cancellationToken);

            // Checkpoint: the outcome. A crash from here on delivers the slice again, which changes nothing.
            await nudge.SendAsync(cancellationToken);
        }
        finally
        {
            watch.Leave(watched);
        }
    }

    /// <summary>For a slice whose tries all ended with the process: its lines are given up, the batch goes on.</summary>
    public async Task GiveUpAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var work = Read(message);
        if (await store.FindAsync(work.Tenant, work.BatchId, cancellationToken) is not { IsFinal: false } row || row.HasCollected(work.Number))
        {
            return;
        }

        var outcomes = (await ReadLinesAsync(work, cancellationToken)).Select(text =>
        {
            using var line = BatchLine.Parse(text, row.Endpoint);
            return LineRunner.GivenUp(row.Id, line.CustomId, "the process ended without an error");
        });
        await blobs.AddOutcomeAsync(work.BatchId, work.Number, SliceOutcome.Of([.. outcomes], work.Slice.Tokens), cancellationToken);
        await nudge.SendAsync(cancellationToken);
    }

    internal static IEnumerable<ReadOnlyMemory<byte>> Split(ReadOnlyMemory<byte> lines)
    {
        while (lines.Length > 0)
        {
            var end = lines.Span.IndexOf((byte)'\n');
            yield return lines[..end];
            lines = lines[(end + 1)..];
        }
    }

    private async Task WaitForEngineAsync(WatchedBatch watched, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(watched.Stop, cancellationToken);
        try
        {
            await engines.GetAsync(watched.Row.Model, stop.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The batch ended while the model loads: its lines end without it.
        }
    }

    private async Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadLinesAsync(SliceMessage work, CancellationToken cancellationToken) =>
        [.. Split(await blobs.ReadLinesAsync(work.BatchId, work.Slice, cancellationToken))];

    private static SliceMessage Read(QueueMessage message) => message.Body.ToObjectFromJson<SliceMessage>(JobJson.Options)
        ?? throw new JsonException("a message on batch-lines must be {tenant, batch, slice, at}, was null");
}
