using System.Security.Cryptography;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Runs;

/// <summary>
/// Who runs a job. A run claims it in its row, under the row's ETag, with a name of its own and an epoch that rises with every claim; the row and the run's <see cref="RunBlob"/> then change by this run alone. While the owner writes its checkpoint it lives, and nobody else begins; when it has not for a
/// lease, by storage's clock, whoever is brought the job's message takes it over from the checkpoint.
/// </summary>
public sealed class RunClaims(JobStore store, IOptions<JobsOptions> options, TimeProvider time)
{
    private readonly string _process = $"{Environment.MachineName}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
    private int _claims;

    /// <summary>How long to leave the job to the run that lives; null when none does.</summary>
    public async Task<TimeSpan?> FindWaitAsync(Job job, CancellationToken cancellationToken)
    {
        var (lease, idle) = (options.Value.Lease, job.Idle);
        if (job.State != JobState.Running || job.Owner is null)
        {
            return null;
        }

        if (idle >= lease && await store.RunBlob(job, _process).ReadAsync(cancellationToken) is { } content)
        {
            idle = content.Idle < idle ? content.Idle : idle;
        }

        return idle < lease ? lease - idle : null;
    }

    /// <summary>Begins a run of the job, or gives the time until which another has it.</summary>
    public async Task<JobRun> TakeAsync(Job job, long dequeueCount, CancellationToken cancellationToken)
    {
        if (await FindWaitAsync(job, cancellationToken) is { } wait)
        {
            return new JobRun(job, store.RunBlob(job, ""), null) { Wait = wait };
        }

        var isTakenOver = job.State == JobState.Running;
        var owner = $"{_process}.{Interlocked.Increment(ref _claims)}";
        var blob = store.RunBlob(job, owner);
        var kept = job.Epoch > 0 ? await blob.ReadAsync(cancellationToken) : null;
        cancellationToken.ThrowIfCancellationRequested();
        var claimed = await UpdateAsync(job, row => row.Start(time.GetUtcNow(), dequeueCount, owner, DrawsIn(kept)), CancellationToken.None);
        if (!claimed.IsFinished && claimed.Owner != owner)
        {
            return new JobRun(claimed, blob, null) { Wait = options.Value.Lease };
        }

        // Whoever had it before and only seemed dead cannot write from here on: the blob's ETag is another.
        while (isTakenOver && !claimed.IsFinished && !await blob.WriteAsync(kept?.Content ?? Nothing, released: false, claimed.Deaths, CancellationToken.None))
        {
            kept = await blob.ReadAsync(CancellationToken.None);
        }

        return new JobRun(claimed, blob, CheckpointOf(kept));
    }

    /// <summary>Changes the row unless another run has begun since <paramref name="job"/> was read or claimed: then it stays as it is.</summary>
    public Task<Job> UpdateAsync(Job job, Func<Job, Job> change, CancellationToken cancellationToken) =>
        store.UpdateAsync(job, row => row.IsRunOf(job) ? change(row) : row, cancellationToken);

    /// <summary>The job cannot be done.</summary>
    public Task<Job> FailAsync(Job job, InvalidJobException error, CancellationToken cancellationToken) =>
        UpdateAsync(job, row => row.Fail(error, time.GetUtcNow()), cancellationToken);

    /// <summary>How many tokens the job's checkpoint holds.</summary>
    public async Task<int> CountDrawsAsync(Job job, CancellationToken cancellationToken) =>
        DrawsIn(await store.RunBlob(job, _process).ReadAsync(cancellationToken));

    private static BinaryData Nothing => CheckpointFormat.Write([RunCheckpoint.None]);

    private static int DrawsIn(RunBlobContent? kept) => CheckpointOf(kept)?.Draws ?? 0;

    private static RunCheckpoint? CheckpointOf(RunBlobContent? kept) => kept is null ? null : CheckpointFormat.Read(kept.Content) is [var run] ? run : null;
}

/// <summary>One run of a job: the row as this run claimed it, where its checkpoint goes, and the one to go on from.</summary>
public sealed class JobRun
{
    internal JobRun(Job job, RunBlob blob, RunCheckpoint? from) => (Job, Blob, From) = (job, blob, from);

    public Job Job { get; }

    /// <summary>Another run lives: for so long the job is left to it.</summary>
    public TimeSpan? Wait { get; internal init; }

    internal RunBlob Blob { get; }

    internal RunCheckpoint? From { get; }
}
