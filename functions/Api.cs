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

    public static IResult FileNotFound(string id) => Error(new InvalidJobException(JobErrorCode.FileNotFound, $"no file {id} was uploaded", "id"));

    public static string NameOf(JobState state) => JsonNamingPolicy.SnakeCaseLower.ConvertName(state.ToString());

    private static IResult Error(int status, string type, string message, string? param, string code) =>
        Results.Json(new { Error = new { Message = message, Type = type, Param = param, Code = code } }, WithNulls, statusCode: status);
}
