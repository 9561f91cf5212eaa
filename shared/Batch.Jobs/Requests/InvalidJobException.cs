namespace Batch.Jobs.Requests;

/// <summary>
/// The caller's mistake: recorded on the job or answered with 400, never retried. The message says what was seen, what was wanted and
/// where, and never quotes the prompt.
/// </summary>
public sealed class InvalidJobException(string code, string message, string? param = null) : Exception(message)
{
    /// <summary>One of <see cref="JobErrorCode"/>.</summary>
    public string Code { get; } = code;

    /// <summary>The field to change, where one is to blame.</summary>
    public string? Param { get; } = param;

    /// <summary>The same request may be taken after so long; null where it must change.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>What a program may branch on; the message beside it is for people.</summary>
public static class JobErrorCode
{
    public const string InvalidRequest = "invalid_request";
    public const string UnsupportedParameter = "unsupported_parameter";
    public const string ModelNotFound = "model_not_found";
    public const string ModelNotReady = "model_not_ready";
    public const string PromptTooLong = "prompt_too_long";
    public const string InputNotFound = "input_not_found";
    public const string JobNotFound = "job_not_found";
    public const string JobFinished = "job_finished";
    public const string IdempotencyConflict = "idempotency_conflict";
    public const string QueueFull = "queue_full";
    public const string RetriesExhausted = "retries_exhausted";
    public const string InvalidApiKey = "invalid_api_key";
    public const string InsufficientPermissions = "insufficient_permissions";
    public const string InputModified = "input_modified";
    public const string InputNoPermissions = "input_no_permissions";
    public const string BatchNotFound = "batch_not_found";
    public const string BatchFinished = "batch_finished";
    public const string FileNotFound = "file_not_found";
    public const string KeyNotFound = "key_not_found";
    public const string ScheduleNotFound = "schedule_not_found";
    public const string ScheduleBusy = "schedule_busy";
    public const string WebhookEndpointNotFound = "webhook_endpoint_not_found";
    public const string WebhookEndpointDisabled = "webhook_endpoint_disabled";
    public const string DeliveryNotFound = "delivery_not_found";
    public const string RequestTooLarge = "request_too_large";
    public const string RateLimitExceeded = "rate_limit_exceeded";
    public const string UnknownUrl = "unknown_url";
    public const string MethodNotSupported = "method_not_supported";
    public const string ServerError = "server_error";
}
