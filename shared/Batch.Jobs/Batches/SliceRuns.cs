using System.Security.Cryptography;
using Batch.Jobs.Runs;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Batches;

/// <summary>
/// Who runs a slice. A slice has no row: its run's blob is the claim. Whoever makes it, or writes it under its ETag after the run before has ended or has
/// not written for a lease by storage's clock, has the slice.
/// </summary>
public sealed class SliceRuns(BatchBlobs blobs, BatchQueues queues, IOptions<JobsOptions> options, ShutdownSignal shutdown, TimeProvider time)
{
    private static readonly BinaryData Nothing = CheckpointFormat.Write([]);

    private readonly string _process = $"{Environment.MachineName}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
    private int _claims;

    /// <summary>Cancelled when runs of the invocation are to be put down.</summary>
    internal CancellationTokenSource Link(CancellationToken invocation) => shutdown.Link(invocation);

    /// <summary>Begins a run; null where another lives, after whose lease the slice's message comes again, or has left an outcome.</summary>
    internal async Task<SliceRun?> TakeAsync(SliceMessage work, int lines, CancellationToken cancellationToken)
    {
        var blob = blobs.RunBlob(work, $"{_process}.{Interlocked.Increment(ref _claims)}");
        var (kept, deaths, lease) = ((RunBlobContent?)null, 0, options.Value.Lease);
        while (!await blob.WriteAsync(kept?.Content ?? Nothing, released: false, deaths, cancellationToken))
        {
            kept = await blob.ReadAsync(cancellationToken);
            if (await blobs.HasOutcomeAsync(work.BatchId, work.Number, cancellationToken))
            {
                return null;
            }

            if (kept is { IsReleased: false } && kept.Idle < lease)
            {
                // A new message, so that waiting uses up no delivery.
                await queues.RunAsync(work, lease - kept.Idle, CancellationToken.None);
                return null;
            }

            deaths = kept is null or { IsReleased: true } ? 0 : kept.Deaths + 1;
        }

        var from = kept is null ? null : CheckpointFormat.Read(kept.Content);
        var places = Enumerable.Range(0, lines).Select(i => new LinePlace(from?.Count == lines ? from[i] : null));
        return new SliceRun(blob, [.. places], deaths, options.Value, time, cancellationToken);
    }

    /// <summary>Has the slice run by another process, from where this one stopped.</summary>
    internal Task HandOnAsync(SliceMessage work) => queues.RunAsync(work, CancellationToken.None);
}
