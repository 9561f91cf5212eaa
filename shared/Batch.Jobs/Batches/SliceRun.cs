using Batch.Inference.Engine;
using Batch.Jobs.Runs;

namespace Batch.Jobs.Batches;

/// <summary>One run of a slice: where its lines go on from, and the saving of all of them in one blob.</summary>
internal sealed class SliceRun(RunBlob blob, IReadOnlyList<LinePlace> lines, int deaths, JobsOptions options, TimeProvider time, CancellationToken stop)
{
    public IReadOnlyList<LinePlace> Lines => lines;

    /// <summary>Runs before this one that ended without a word and without progress, one after the other.</summary>
    public int Deaths => deaths;

    /// <summary>
    /// Runs the lines to their end; null when another run has taken over. Whatever else ends them early flies, after the lines were saved for the next run.
    /// </summary>
    public async Task<IReadOnlyList<LineOutcome>?> EndAsync(Func<CancellationToken, Task<LineOutcome[]>> run)
    {
        var loop = new CheckpointLoop(blob, () => [.. lines.Select(line => line.Checkpoint)], null, options, options.SlicePace, deaths, time, stop);
        foreach (var line in lines)
        {
            line.Loop = loop;
        }

        IReadOnlyList<LineOutcome> outcomes;
        try
        {
            await using (loop)
            {
                outcomes = await run(loop.Stop);
            }
        }
        catch (OperationCanceledException) when (loop.IsLost)
        {
            return null;
        }
        catch
        {
            await loop.ReleaseAsync(deaths: 0, CancellationToken.None);
            throw;
        }

        return await loop.OwnsAsync(CancellationToken.None) ? outcomes : null;
    }
}

/// <summary>A line's place in its slice's checkpoint.</summary>
internal sealed class LinePlace(RunCheckpoint? from)
{
    /// <summary>Where an earlier run of the line stood.</summary>
    public RunCheckpoint? From => from;

    /// <summary>Gives the checkpoint of now, once the line runs.</summary>
    public Func<RunCheckpoint>? Take { get; set; }

    public CheckpointLoop? Loop { get; set; }

    /// <summary>Also of a line that has ended, or has not begun again: what is known of it is kept.</summary>
    public RunCheckpoint Checkpoint => Take?.Invoke() ?? from ?? RunCheckpoint.None;

    public void Drawn(GenerationUpdate update)
    {
        if (update.Drawn is not null)
        {
            Loop?.Drawn();
        }
    }
}
