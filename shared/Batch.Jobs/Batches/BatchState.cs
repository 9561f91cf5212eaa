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
/// <param name="Code">What a program may branch on.</param>
/// <param name="Message">For people.</param>
/// <param name="Param">The field to change, where one is to blame.</param>
/// <param name="Line">The line, from 1, where one is to blame.</param>
public sealed record BatchError(string Code, string Message, string? Param, int? Line);
