namespace Batch.Jobs.Batches;

/// <summary>
/// Moves a batch along by passes. A pass plans in the row what it writes, appends it to the files at the lengths that the row knows, and
/// writes lengths and counts into the row: whoever begins it again, or beside, writes the same bytes to the same place and counts once.
/// </summary>
public sealed class BatchCollector(BatchStore store, BatchBlobs blobs, BatchFiles files, TimeProvider time)
{
    private const int MostSlices = 256;
    private const int MostLines = 4096;
    private const long MostBytes = 16 * 1024 * 1024;
    private const int AtOnce = 8;

    // For slices that were cut off when the batch was cancelled or its time was over: so long may they still tell how they ended.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Gathers what lies there, closes what will not come, and ends the batch when all is in. Gives null when another dispatcher got ahead.
    /// </summary>
    internal async Task<BatchRow?> AdvanceAsync(BatchRow row, CancellationToken cancellationToken)
    {
        var current = row;
        while (current is { IsFinal: false, State: not BatchState.Validating } && current.CollectedSlices < current.Slices)
        {
            if (current.Plan is null)
            {
                if (await PlanAsync(current, cancellationToken) is not { } plan)
                {
                    return current;
                }

                current = await store.TryWriteAsync(current with { Plan = plan.ToString() }, cancellationToken);
            }

            current = current is null ? null : await WriteAsync(current, CollectionPlan.Parse(current.Plan!), cancellationToken);
        }

        if (current is { IsFinal: false, State: not BatchState.Validating })
        {
            await files.FinishAsync(current, cancellationToken);
            current = await store.TryWriteAsync(current.Complete(time.GetUtcNow()), cancellationToken);
        }

        return current;
    }

    /// <summary>Deletes outcomes that a crash, or a slice that ran twice, left.</summary>
    internal async Task CleanAsync(BatchRow row, CancellationToken cancellationToken)
    {
        await foreach (var (slice, _) in blobs.ListOutcomesAsync(row, cancellationToken))
        {
            await blobs.DeleteOutcomeAsync(row, slice, cancellationToken);
        }
    }

    // Outcomes that lie there come first; when the batch ends, slices that nobody will run follow.
    private async Task<CollectionPlan?> PlanAsync(BatchRow row, CancellationToken cancellationToken)
    {
        var (slices, bytes) = (new List<int>(), 0L);
        await foreach (var (slice, size) in blobs.ListOutcomesAsync(row, cancellationToken))
        {
            if (row.HasCollected(slice))
            {
                // Left by a crash, or by a slice that ran twice.
                await blobs.DeleteOutcomeAsync(row, slice, cancellationToken);
                continue;
            }

            slices.Add(slice);
            bytes += size;
            if (slices.Count == MostSlices || bytes >= MostBytes)
            {
                break;
            }
        }

        if (slices.Count > 0)
        {
            return new CollectionPlan(Closes: false, slices);
        }

        if (row.Ending is null)
        {
            return null;
        }

        var from = time.GetUtcNow() - row.EndingSince >= Grace ? 0 : row.Admitted;
        var open = Enumerable.Range(from, row.Slices - from).Where(slice => !row.HasCollected(slice)).Take(MostSlices).ToList();
        return open.Count == 0 ? null : new CollectionPlan(Closes: true, open);
    }

    private async Task<BatchRow?> WriteAsync(BatchRow row, CollectionPlan plan, CancellationToken cancellationToken)
    {
        if ((plan.Closes ? await CloseAsync(row, plan, cancellationToken) : await ReadAsync(row, plan, cancellationToken)) is not { } outcomes)
        {
            return null;
        }

        var output = Joined(outcomes, outcome => outcome.Output);
        var errors = Joined(outcomes, outcome => outcome.ErrorOutput);
        await files.AppendAsync(row, output, isErrors: false, cancellationToken);
        await files.AppendAsync(row, errors, isErrors: true, cancellationToken);

        // Checkpoint: the lines are in the files. A crash before the row says so appends nothing a second time.
        var collected = (byte[])row.Collected.Clone();
        foreach (var slice in plan.Slices)
        {
            collected[slice >> 3] |= (byte)(1 << (slice & 7));
        }

        var written = await store.TryWriteAsync(
            SliceOutcome.AddTo(row, outcomes, time.GetUtcNow()) with
            {
                Plan = null,
                Collected = collected,
                CollectedSlices = row.CollectedSlices + plan.Slices.Count,
                OutputBytes = row.OutputBytes + output.Length,
                ErrorBytes = row.ErrorBytes + errors.Length,
            },
            cancellationToken);
        if (written is not null && !plan.Closes)
        {
            await Parallel.ForEachAsync(
                plan.Slices, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
                async (slice, token) => await blobs.DeleteOutcomeAsync(row, slice, token));
        }

        return written;
    }

    // Null when one is gone: another dispatcher has written this pass and deleted it.
    private async Task<IReadOnlyList<SliceOutcome>?> ReadAsync(BatchRow row, CollectionPlan plan, CancellationToken cancellationToken)
    {
        var outcomes = new SliceOutcome?[plan.Slices.Count];
        await Parallel.ForAsync(
            0, outcomes.Length, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (i, token) => outcomes[i] = await blobs.FindOutcomeAsync(row, plan.Slices[i], token));
        return outcomes.Contains(null) ? null : [.. outcomes.OfType<SliceOutcome>()];
    }

    private async Task<IReadOnlyList<SliceOutcome>> CloseAsync(BatchRow row, CollectionPlan plan, CancellationToken cancellationToken)
    {
        var outcomes = new List<SliceOutcome>();
        var (first, last) = (plan.Slices[0], plan.Slices[^1]);
        var index = await blobs.ReadIndexAsync(row, first, last - first + 1, cancellationToken);
        foreach (var run in Runs(plan.Slices.Select(slice => index[slice - first])))
        {
            var texts = SliceProcessor.Split(await blobs.ReadLinesAsync(row.Id, run, cancellationToken));
            var lines = texts.Select(text =>
            {
                using var line = BatchLine.Parse(text, row.Endpoint);
                return LineRunner.Unfinished(row.Id, line.CustomId, row.Ending!.Value);
            });
            outcomes.Add(SliceOutcome.Of([.. lines], run.Tokens));
        }

        return outcomes;
    }

    // Slices that lie side by side are read together, up to a size.
    private static IEnumerable<Slice> Runs(IEnumerable<Slice> slices)
    {
        var open = default(Slice);
        foreach (var slice in slices)
        {
            if (open.Lines > 0 && open.Offset + open.Length == slice.Offset && open.Length + slice.Length <= MostBytes && open.Lines + slice.Lines <= MostLines)
            {
                open = open with { Length = open.Length + slice.Length, Lines = open.Lines + slice.Lines, Tokens = open.Tokens + slice.Tokens };
                continue;
            }

            if (open.Lines > 0)
            {
                yield return open;
            }

            open = slice;
        }

        yield return open;
    }

    private static byte[] Joined(IReadOnlyList<SliceOutcome> outcomes, Func<SliceOutcome, string> text) =>
        System.Text.Encoding.UTF8.GetBytes(string.Concat(outcomes.Select(text)));
}
