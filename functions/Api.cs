using System.Text.Json;
using System.Text.Json.Serialization;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Interactive;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>How the API answers. Errors have OpenAI's shape: <c>{"error":{"message","type","param","code"}}</c>.</summary>
internal static class Api
{
    // Where OpenAI's clients expect every member to be there, null or not.
    private static readonly JsonSerializerOptions WithNulls = new(JobJson.Options)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
    };

    public static IResult Json<T>(T value, int status = StatusCodes.Status200OK) =>
        Results.Json(value, JobJson.Options, statusCode: status);

    /// <summary>A key with its secret where it is new; one that was made before has shown its own.</summary>
    public static IResult Made(ApiKey key, string? secret) =>
        Json(ApiKeyView.Of(key, secret), secret is null ? StatusCodes.Status200OK : StatusCodes.Status201Created);

    public static IResult Error(InvalidJobException e)
    {
        var status = e.Code switch
        {
            JobErrorCode.InvalidApiKey => StatusCodes.Status401Unauthorized,
            JobErrorCode.InsufficientPermissions => StatusCodes.Status403Forbidden,
            JobErrorCode.QueueFull => StatusCodes.Status429TooManyRequests,
            JobErrorCode.RequestTooLarge => StatusCodes.Status413PayloadTooLarge,
            JobErrorCode.JobNotFound or JobErrorCode.KeyNotFound or JobErrorCode.ScheduleNotFound or JobErrorCode.FileNotFound or JobErrorCode.BatchNotFound
                or JobErrorCode.WebhookEndpointNotFound or JobErrorCode.DeliveryNotFound => StatusCodes.Status404NotFound,
            JobErrorCode.IdempotencyConflict or JobErrorCode.JobFinished or JobErrorCode.ScheduleBusy or JobErrorCode.BatchFinished
                or JobErrorCode.WebhookEndpointDisabled => StatusCodes.Status409Conflict,
            _ => StatusCodes.Status400BadRequest,
        };
        return Error(e, status);
    }

    public static IResult Error(InvalidJobException e, int status) =>
        Error(status, status == StatusCodes.Status429TooManyRequests ? "rate_limit_error" : "invalid_request_error", e.Message, e.Param, e.Code);

    public static IResult NotReady(ModelNotReadyException e) =>
        Error(StatusCodes.Status503ServiceUnavailable, "server_error", e.Message, null, JobErrorCode.ModelNotReady);

    public static IResult ShuttingDown() => Results.Text(ShuttingDownEvent, "application/json", statusCode: StatusCodes.Status503ServiceUnavailable);

    /// <summary>The last event of a stream that the host's shutdown cuts off.</summary>
    public static string ShuttingDownEvent { get; } = JsonSerializer.Serialize(
        new { Error = new { Message = "the server is shutting down; ask again", Type = "server_error", Param = (string?)null, Code = "shutting_down" } }, WithNulls);

    public static IResult NotFound(string id) => Error(new InvalidJobException(JobErrorCode.JobNotFound, $"no job {id} was submitted"));

    /// <summary>Members that are null are there, as clients of OpenAI's batches expect.</summary>
    public static IResult JsonWithNulls<T>(T value) => Results.Json(value, WithNulls);

    public static IResult BatchNotFound(string id) => Error(new InvalidJobException(JobErrorCode.BatchNotFound, $"no batch {id} was created", "id"));

    public static IResult LineNotFound(string id) =>
        Error(new InvalidJobException(JobErrorCode.BatchNotFound, $"no batch {id} with a line of that custom_id was created", "custom_id"));

    public static IResult ModelNotFound(string name) =>
        Error(new InvalidJobException(JobErrorCode.ModelNotFound, $"no model {name} is served here; GET /v1/models lists them", "model"), StatusCodes.Status404NotFound);

    public static IResult FileNotFound(string id) => Error(new InvalidJobException(JobErrorCode.FileNotFound, $"no file {id} was uploaded", "id"));

    public static string NameOf(JobState state) => JsonNamingPolicy.SnakeCaseLower.ConvertName(state.ToString());

    /// <param name="unit">What there is too much of, requests or tokens: the error's type, as OpenAI has it.</param>
    /// <param name="message">For people.</param>
    public static IResult TooMany(string unit, string message) =>
        Error(StatusCodes.Status429TooManyRequests, unit, message, null, JobErrorCode.RateLimitExceeded);

    /// <summary>What the server itself refuses while a body is read.</summary>
    public static IResult Refused(BadHttpRequestException e) => Error(
        e.StatusCode, "invalid_request_error", e.Message, null,
        e.StatusCode == StatusCodes.Status413PayloadTooLarge ? JobErrorCode.RequestTooLarge : JobErrorCode.InvalidRequest);

    public static IResult UnknownUrl(string method, string? path) => Error(
        StatusCodes.Status404NotFound, "invalid_request_error", $"unknown request URL: {method} {path}; /openapi.json lists what there is", null, JobErrorCode.UnknownUrl);

    public static IResult MethodNotAllowed(string method, string? path, IEnumerable<string> allowed) => Error(
        StatusCodes.Status405MethodNotAllowed, "invalid_request_error", $"{path} takes {string.Join(" and ", allowed)}, was asked with {method}", null,
        JobErrorCode.MethodNotSupported);

    /// <summary>Something broke; the log has it under the request's id.</summary>
    public static IResult Failed(string requestId) => Error(
        StatusCodes.Status500InternalServerError, "server_error", $"the server had an error; its log has it under {requestId}", null, JobErrorCode.ServerError);

    private static IResult Error(int status, string type, string message, string? param, string code) =>
        Results.Json(new ApiError(new ApiErrorDetails(message, type, param, code)), WithNulls, statusCode: status);
}
