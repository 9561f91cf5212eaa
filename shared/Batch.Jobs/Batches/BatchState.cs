namespace Batch.Jobs.Batches;

/// <summary>Where a batch stands, in OpenAI's words.</summary>
public enum BatchState
{
    Validating,
    InProgress,
    Finalizing,
    Cancelling,
    Completed,
    Failed,
    Expired,
    Cancelled,
}

/// <summary>How a line ended.</summary>
public enum LineState
{
    Succeeded,
    Errored,
    Cancelled,
    Expired,
}

/// <summary>What was wrong with an input, in OpenAI's shape.</summary>
public sealed record BatchError(string Code, string Message, string? Param, int? Line);
