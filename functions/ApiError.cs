namespace Batch.Functions;

/// <summary>OpenAI's shape of an error.</summary>
/// <param name="Error">What went wrong.</param>
internal sealed record ApiError(ApiErrorDetails Error);

/// <summary>What went wrong.</summary>
/// <param name="Message">For people: what was seen and what to change.</param>
/// <param name="Type">invalid_request_error, server_error, rate_limit_error, or what there is too much of: requests or tokens.</param>
/// <param name="Param">The field to change, where one is to blame.</param>
/// <param name="Code">What a program may branch on.</param>
internal sealed record ApiErrorDetails(string Message, string Type, string? Param, string Code);
