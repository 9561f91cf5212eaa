using System.Text.Json.Nodes;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;

namespace Batch.Functions.OpenApi;

/// <summary>What the OpenAPI document says of errors: one body for all, and for each status what it means, with an example.</summary>
internal static class ErrorResponses
{
    public const string Any = "Error";

    private static readonly IReadOnlyDictionary<int, ErrorResponse> ByStatus = new SortedDictionary<int, ErrorResponse>
    {
        [400] = new("InvalidRequest", "The request is wrong; the message says what was seen and wanted.", "limit must be an integer from 1 to 100", "limit", JobErrorCode.InvalidRequest),
        [401] = new("Unauthorized", "The API key is missing, wrong, expired or revoked.", "the API key is unknown, expired or revoked", null, JobErrorCode.InvalidApiKey),
        [403] = new("Forbidden", "The API key lacks the scope.", "this needs an API key with the scope submit", null, JobErrorCode.InsufficientPermissions),
        [404] = new("NotFound", "No such object, or another tenant's.", "no batch batch_x was created", "id", JobErrorCode.BatchNotFound),
        [409] = new("Conflict", "What stands already allows it no more, or the Idempotency-Key came with other content.", "batch batch_x is completed; only one that goes on can be cancelled", null, JobErrorCode.BatchFinished),
        [413] = new("TooLarge", "The body is too long.", "the body must be at most 65536 bytes, was longer", null, JobErrorCode.RequestTooLarge),
        [429] = new("TooManyRequests", "Too much at once; Retry-After says in how many seconds to come again.", "this tenant may make 6000 requests a minute", null, JobErrorCode.RateLimitExceeded, "requests", RetryAfter: true),
        [500] = new("ServerError", "Something broke; the server's log has it under the x-request-id.", "the server had an error; its log has it under req_x", null, JobErrorCode.ServerError, "server_error"),
        [503] = new("Unavailable", "The server shuts down, or the model is not loaded yet.", "the server is shutting down; ask again", null, "shutting_down", "server_error", RetryAfter: true),
    };

    /// <summary>By their names among the document's responses.</summary>
    public static IEnumerable<KeyValuePair<string, JsonNode?>> Components =>
        ByStatus.Values.Select(response => KeyValuePair.Create(response.Name, (JsonNode?)response.ToJson()))
            .Append(KeyValuePair.Create(Any, (JsonNode?)OpenApiDocument.Content("What went wrong.", "application/json", OpenApiDocument.Reference(nameof(ApiError)))));

    /// <summary>The statuses that a route may answer instead of what is asked for, each with the name of its response.</summary>
    public static IEnumerable<(int Status, string Name)> Of(ApiRoute route)
    {
        var told = route.Operation ?? new OperationAttribute(route.Function);
        IEnumerable<int> statuses =
        [
            .. told.Takes is not null || told.Makes || told.Query.Length > 0 ? [400] : Array.Empty<int>(),
            .. told.Scope == ApiScopes.None ? [] : new[] { 401, 403, 429, 500, 503 },
            .. route.Parameters.Count > 0 ? [404] : Array.Empty<int>(),
            .. told.Makes ? [409] : Array.Empty<int>(),
            .. told.Takes is not null ? [413] : Array.Empty<int>(),
            .. told.Refuses,
        ];
        return statuses.Distinct().Order().Select(status => (status, ByStatus[status].Name));
    }

    private sealed record ErrorResponse(
        string Name, string Description, string Message, string? Param, string Code, string Type = "invalid_request_error", bool RetryAfter = false)
    {
        public JsonObject ToJson()
        {
            var response = OpenApiDocument.Content(Description, "application/json", OpenApiDocument.Reference(nameof(ApiError)));
            response["content"]!["application/json"]!["example"] = new JsonObject
            {
                ["error"] = new JsonObject { ["message"] = Message, ["type"] = Type, ["param"] = Param, ["code"] = Code },
            };
            if (RetryAfter)
            {
                response["headers"]!["Retry-After"] = new JsonObject { ["$ref"] = "#/components/headers/RetryAfter" };
            }

            return response;
        }
    }
}
