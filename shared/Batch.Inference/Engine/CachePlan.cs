namespace Batch.Inference.Engine;

/// <summary>A device's memory, in bytes, with all that is loaded by now.</summary>
internal readonly record struct DeviceMemory(long Free, long Total);

/// <summary>How many tokens the key-value cache holds.</summary>
internal static class CachePlan
{
    private const int DefaultTokens = 65_536;
    private const int MostTokens = 1 << 26;

    /// <param name="context">Most tokens of one sequence.</param>
    /// <param name="bytesPerToken">Of keys and values over all layers.</param>
    /// <param name="memory">Null where memory is not the device's own: the CPU's is shared with everything else, so the default there is modest.</param>
    public static int Tokens(EngineOptions options, int context, long bytesPerToken, DeviceMemory? memory)
    {
        if (options.CacheTokens > 0)
        {
            return options.CacheTokens;
        }
        if (memory is not { } device)
        {
            return (int)Math.Min((long)options.MaxSequences * context, Math.Max(DefaultTokens, context));
        }
        var spare = (long)(device.Total * options.GpuMemoryUtilization) - (device.Total - device.Free);
        var tokens = Math.Min(MostTokens, spare / bytesPerToken / options.BlockSize * options.BlockSize);
        return tokens >= options.BlockSize
            ? (int)tokens
            : throw new InvalidOperationException(
                $"no memory is left for the key-value cache: with the weights loaded {Mebibytes(device.Free)} of {Mebibytes(device.Total)} MiB are free on {options.Device}, GpuMemoryUtilization {FormattableString.Invariant($"{options.GpuMemoryUtilization}")} leaves {Mebibytes(spare)}, " +
                $"a block of {options.BlockSize} tokens takes {FormattableString.Invariant($"{bytesPerToken * options.BlockSize / 1048576.0:F1}")} MiB. Take a smaller model, a narrower DType or another device, or lower MaxBatchedTokens");
    }

    private static long Mebibytes(long bytes) => bytes >> 20;
}
