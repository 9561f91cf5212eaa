namespace Batch.Jobs.Interactive;

/// <summary>The model is not loaded yet, and nobody should wait on an open connection until it is.</summary>
public sealed class ModelNotReadyException(string reason) : Exception(reason)
{
    /// <summary>When to try again.</summary>
    public static TimeSpan RetryAfter { get; } = TimeSpan.FromSeconds(5);
}
