using System.Text.Json.Serialization;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Batch.Jobs.Runs;

namespace Batch.Jobs.Batches;

/// <summary>Where a line of a batch stands.</summary>
public enum LineStatus
{
    /// <summary>Not admitted yet.</summary>
    Waiting,

    /// <summary>On the work queue.</summary>
    Queued,
    Running,

    /// <summary>In the output or error file, or about to be.</summary>
    Ended,
}

/// <summary>A line that is looked at while its batch runs. The text is the first choice's so far, as the run last saved it, within seconds.</summary>
/// <param name="CustomId">The caller's own.</param>
/// <param name="Kind">Always batch.line.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="Text">The first choice's so far.</param>
/// <param name="CompletionTokens">Tokens written.</param>
public sealed record BatchLineView(
    string CustomId,
    [property: JsonPropertyName("object")] string Kind,
    LineStatus Status,
    string? Text,
    int? CompletionTokens);

/// <summary>
/// Shows the lines of a batch while it runs, from what there is anyway: the index of slices, the blobs of outcomes, and the checkpoints that runs save. Nothing is written for it.
/// </summary>
public sealed class BatchLineReader(BatchStore store, BatchBlobs blobs)
{
    /// <summary>Null when the tenant has no such batch, or the batch no such line.</summary>
    public async Task<BatchLineView?> FindAsync(string tenant, string id, string customId, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(tenant, id, cancellationToken) is not { Lines: > 0 } row || await blobs.FindLineAsync(row, customId, cancellationToken) is not { } place)
        {
            return null;
        }

        var status = row.IsFinal || row.HasCollected(place.Slice) || await blobs.HasOutcomeAsync(row.Id, place.Slice, cancellationToken) ? LineStatus.Ended
            : place.Slice >= row.Admitted ? LineStatus.Waiting
            : LineStatus.Queued;
        var saved = status == LineStatus.Queued ? await blobs.FindCheckpointsAsync(row.Id, place.Slice, cancellationToken) : null;
        return View(customId, status, saved, place.Line);
    }

    /// <summary>Lines of one status in the order of the input, from the one after <paramref name="after"/>; null when the tenant has no such batch.</summary>
    public async Task<Page<BatchLineView>?> ListAsync(string tenant, string id, LineStatus status, string? after, int limit, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(tenant, id, cancellationToken) is not { } row)
        {
            return null;
        }

        var from = after is null || row.Lines == 0 ? default
            : await blobs.FindLineAsync(row, after, cancellationToken) is { } place ? place with { Line = place.Line + 1 }
            : throw new InvalidJobException(JobErrorCode.InvalidRequest, $"after must be the custom_id of a line, was {JsonField.Quote(after)}", "after");
        var found = new List<BatchLineView>();
        var (ended, running) = (await blobs.ListSlicesAsync(row.Id, BatchBlobs.Outcomes, cancellationToken), await blobs.ListSlicesAsync(row.Id, BatchBlobs.Runs, cancellationToken));
        for (var slice = from.Slice; slice < row.Slices && found.Count <= limit; slice++)
        {
            var stands = row.IsFinal || row.HasCollected(slice) || ended.Contains(slice) ? LineStatus.Ended
                : slice >= row.Admitted ? LineStatus.Waiting
                : running.Contains(slice) ? LineStatus.Running
                : LineStatus.Queued;
            if (stands == status)
            {
                found.AddRange((await ReadAsync(row, slice, status, cancellationToken)).Skip(slice == from.Slice ? from.Line : 0));
            }
        }

        return Page.Of(found, limit, line => line.CustomId);
    }

    private async Task<IReadOnlyList<BatchLineView>> ReadAsync(BatchRow row, int slice, LineStatus status, CancellationToken cancellationToken)
    {
        var lines = await blobs.ReadLinesAsync(row.Id, (await blobs.ReadIndexAsync(row, slice, 1, cancellationToken))[0], cancellationToken);
        var saved = status == LineStatus.Running ? await blobs.FindCheckpointsAsync(row.Id, slice, cancellationToken) : null;
        return [.. SliceProcessor.Split(lines).Select((text, number) =>
        {
            using var line = BatchLine.Parse(text, row.Endpoint);
            return View(line.CustomId, status, saved, number);
        })];
    }

    private static BatchLineView View(string customId, LineStatus status, IReadOnlyList<RunCheckpoint>? saved, int line)
    {
        var checkpoint = line < saved?.Count ? saved[line] : null;
        return new BatchLineView(customId, "batch.line", saved is null ? status : LineStatus.Running, checkpoint?.Text, checkpoint?.CompletionTokens);
    }
}
