using System.ComponentModel.DataAnnotations;

namespace Batch.Jobs.Access;

/// <summary>Section <c>Limits</c>: what one tenant may ask of one replica. Each replica counts for itself.</summary>
public sealed class LimitsOptions
{
    /// <summary>Requests of any kind; as many may come at once, and then this many a minute.</summary>
    [Range(1, 10_000_000)]
    public int RequestsPerMinute { get; set; } = 6000;

    /// <summary>
    /// Tokens of jobs and completions handed in, estimated: a token for four bytes, and as many as they may write. What is in a batch's file
    /// is not counted; <c>Batches:MaxEnqueuedTokens</c> is its limit.
    /// </summary>
    [Range(1, 2_000_000_000)]
    public int TokensPerMinute { get; set; } = 20_000_000;
}
