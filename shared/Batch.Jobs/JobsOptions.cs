using System.ComponentModel.DataAnnotations;
using Batch.Jobs.Runs;

namespace Batch.Jobs;

/// <summary>Section <c>Jobs</c>.</summary>
public sealed class JobsOptions
{
    /// <summary>The CloudEvents source of every event: where it happened, as a URI reference.</summary>
    [Required, MinLength(1)]
    public string EventSource { get; set; } = "/batch";

    /// <summary>Largest submission, and largest input blob, in bytes.</summary>
    [Range(1024, 64 * 1024 * 1024)]
    public int MaxInputBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>
    /// Containers, separated by commas, that <c>input_blob</c> may name. Others of the account stay out of a caller's reach.
    /// </summary>
    [Required]
    public string InputContainers { get; set; } = "inputs";

    /// <summary>
    /// How long <c>result_url</c> of a job and <c>download_url</c> of a file can be read by whoever has them. 0 gives addresses that only
    /// identities with a role on the account can read.
    /// </summary>
    [Range(0, 10_080)]
    public int LinkMinutes { get; set; } = 60;

    /// <summary>
    /// Most tokens of a job, over all its choices, that are computed again when its process dies. Half of it is drawn between two checkpoints, so that
    /// writing one may take as long as drawing the other half.
    /// </summary>
    [Range(2, 1_000_000)]
    public int CheckpointTokens { get; set; } = 256;

    /// <summary>A checkpoint is written after so many seconds, too, where a token has come; it is what shows the text so far.</summary>
    [Range(1, 3600)]
    public double CheckpointSeconds { get; set; } = 1;

    /// <summary>
    /// The same for a slice of a batch, whose lines are many and watched by few: as often as its run must write to live, and however many tokens come meanwhile.
    /// </summary>
    [Range(1, 3600)]
    public double SliceCheckpointSeconds { get; set; } = 5;

    /// <summary>A run that has written nothing for so many seconds, by storage's clock, is dead, and its job is taken over. It writes at least thrice in that time.</summary>
    [Range(3, 3600)]
    public double LeaseSeconds { get; set; } = 15;

    /// <summary>Most jobs that wait or run, of all tenants: beyond it submissions over HTTP are answered with 429.</summary>
    [Range(1, 100_000_000)]
    public int MaxWaiting { get; set; } = 100_000;

    /// <summary>Most jobs of one tenant that wait.</summary>
    [Range(1, 100_000_000)]
    public int MaxWaitingPerTenant { get; set; } = 20_000;

    internal CheckpointPace JobPace => new(CheckpointTokens, TimeSpan.FromSeconds(CheckpointSeconds));

    internal CheckpointPace SlicePace => new(int.MaxValue, TimeSpan.FromSeconds(SliceCheckpointSeconds));

    internal TimeSpan Lease => TimeSpan.FromSeconds(LeaseSeconds);

    internal bool AllowsContainer(string name) =>
        InputContainers.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Contains(name, StringComparer.Ordinal);
}
