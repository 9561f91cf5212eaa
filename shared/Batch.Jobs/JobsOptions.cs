using System.ComponentModel.DataAnnotations;

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

    internal bool AllowsContainer(string name) =>
        InputContainers.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Contains(name, StringComparer.Ordinal);
}
