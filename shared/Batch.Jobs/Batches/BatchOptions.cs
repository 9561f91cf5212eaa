using System.ComponentModel.DataAnnotations;

namespace Batch.Jobs.Batches;

/// <summary>Section <c>Batches</c>.</summary>
public sealed class BatchOptions
{
    /// <summary>
    /// Slices that wait or run at once, over all batches: long enough that the scaler sees work for every replica it may start (32 messages
    /// each), short enough that an urgent batch does not wait long.
    /// </summary>
    [Range(1, 4096)]
    public int Window { get; set; } = 96;

    /// <summary>Most lines in a slice, which is one message, one run and one outcome.</summary>
    [Range(1, 256)]
    public int SliceLines { get; set; } = 32;

    /// <summary>Most tokens in a slice of several lines, prompts estimated, so that slices of long texts stay short.</summary>
    [Range(1, 1_000_000)]
    public int SliceTokens { get; set; } = 16_384;

    /// <summary>Most tokens that a tenant may have admitted and not finished.</summary>
    [Range(1, long.MaxValue)]
    public long MaxEnqueuedTokens { get; set; } = 2_000_000;

    /// <summary>Shares of tenants that differ from 1, by name.</summary>
    public Dictionary<string, double> TenantWeights { get; set; } = [];

    /// <summary>Containers, separated by commas, into which <c>output_folder</c> may point.</summary>
    [Required]
    public string OutputContainers { get; set; } = BatchBlobs.OutputsContainer;

    internal double WeightOf(string tenant) => TenantWeights.TryGetValue(tenant, out var weight) && weight > 0 ? weight : 1;

    internal bool AllowsOutput(string container) =>
        OutputContainers.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Contains(container, StringComparer.Ordinal);
}
