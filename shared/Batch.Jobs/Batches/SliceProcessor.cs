using System.Text.Json;
using Azure.Storage.Queues.Models;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>
/// Runs the lines of one slice, side by side, and writes how they ended into one blob. The batch's row is not touched: the dispatcher
/// gathers what lies there. A slice may be delivered twice, even at the same time: one run at a time computes it, and the first outcome stands.
/// </summary>
public sealed class SliceProcessor(BatchStore store, BatchBlobs blobs, BatchWatch watch, LineRunner lines, DispatchNudge nudge, SliceRuns runs)
{
    public async Task ProcessAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var work = Read(message);
        if (await watch.FindAsync(work.Tenant, work.BatchId, cancellationToken) is not { IsFinal: false } row || row.HasCollected(work.Number))
        {
            return;
        }

        using var stop = runs.Link(cancellationToken);
        var (watched, hasEnded) = (watch.Enter(row), false);
        try
        {
            using var seats = await lines.EnterAsync(watched, work.Slice.Lines, stop.Token);
            var texts = await ReadLinesAsync(work, stop.Token);
            var run = await runs.TakeAsync(work, texts.Count, stop.Token);
            if (run is { Deaths: >= JobQueues.MaxDequeueCount })
            {
                await GiveUpAsync(row, work, cancellationToken);
                hasEnded = true;
            }
            else if (run is not null && await run.EndAsync(loop => Task.WhenAll(texts.Select((text, i) => RunAsync(text, run.Lines[i], seats, loop)))) is { } outcomes)
            {
                await blobs.AddOutcomeAsync(work.BatchId, work.Number, SliceOutcome.Of(outcomes, work.Slice.Tokens), CancellationToken.None);

                // Checkpoint: the outcome. A crash from here on delivers the slice again, which changes nothing.
                hasEnded = true;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The host shuts down, and the run is saved: a message of its own brings the slice to who goes on.
            await runs.HandOnAsync(work);
        }
        finally
        {
            var isOutOfWork = watch.Leave(watched);
            if (hasEnded)
            {
                await nudge.SendAsync(isOutOfWork, CancellationToken.None);
            }
        }

        async Task<LineOutcome> RunAsync(ReadOnlyMemory<byte> text, LinePlace place, SeatedLines? seats, CancellationToken loop)
        {
            var outcome = await lines.RunAsync(row, text, place, watched, message.DequeueCount >= JobQueues.MaxDequeueCount, loop);
            seats?.Leave();
            return outcome;
        }
    }

    /// <summary>For a slice whose tries all ended with the process: its lines are given up, the batch goes on.</summary>
    public async Task GiveUpAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var work = Read(message);
        if (await store.FindAsync(work.Tenant, work.BatchId, cancellationToken) is { IsFinal: false } row && !row.HasCollected(work.Number))
        {
            await GiveUpAsync(row, work, cancellationToken);
            await nudge.SendAsync(isOutOfWork: false, cancellationToken);
        }
    }

    private async Task GiveUpAsync(BatchRow row, SliceMessage work, CancellationToken cancellationToken)
    {
        var outcomes = (await ReadLinesAsync(work, cancellationToken)).Select(text =>
        {
            using var line = BatchLine.Parse(text, row.Endpoint);
            return LineRunner.GivenUp(row.Id, line.CustomId, "the process ended without an error");
        });
        await blobs.AddOutcomeAsync(work.BatchId, work.Number, SliceOutcome.Of([.. outcomes], work.Slice.Tokens), cancellationToken);
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

    private async Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadLinesAsync(SliceMessage work, CancellationToken cancellationToken) =>
        [.. Split(await blobs.ReadLinesAsync(work.BatchId, work.Slice, cancellationToken))];

    private static SliceMessage Read(QueueMessage message) => message.Body.ToObjectFromJson<SliceMessage>(JobJson.Options)
        ?? throw new JsonException("a message on batch-lines must be {tenant, batch, slice, at}, was null");
}
