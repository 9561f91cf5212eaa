namespace Batch.Functions;

/// <summary>OpenAI's shape of an error.</summary>
internal sealed record ApiError(ApiErrorDetails Error);

internal sealed record ApiErrorDetails(string Message, string Type, string? Param, string Code);
