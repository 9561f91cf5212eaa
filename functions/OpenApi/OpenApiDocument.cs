using System.Reflection;
using System.Text.Json.Nodes;
using Batch.Jobs.Access;

namespace Batch.Functions.OpenApi;

/// <summary>The OpenAPI 3.1 document of this assembly's HTTP functions: routes from their triggers, schemas from the records.</summary>
internal static class OpenApiDocument
{
    public static JsonObject Build()
    {
        var answers = ApiRoute.All.SelectMany(route => new[] { route.Operation?.Answers, route.Operation?.Streams }).OfType<Type>().Append(typeof(ApiError)).Distinct();
        var schemas = answers.Select(type => KeyValuePair.Create(ResponseSchemas.NameOf(type), (JsonNode?)ResponseSchemas.Of(type)))
            .Concat(RequestSchemas.All.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value())));
        var paths = ApiRoute.All.GroupBy(route => route.Path).Select(path => KeyValuePair.Create(path.Key, (JsonNode?)Path([.. path])));
        return new JsonObject
        {
            ["openapi"] = "3.1.1",
            ["info"] = new JsonObject
            {
                ["title"] = "Batch",
                ["description"] = "Queued writing jobs, OpenAI's files, batches and completions, schedules, webhooks and keys, over one language model engine.",
                ["version"] = typeof(OpenApiDocument).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0",
                ["license"] = new JsonObject { ["name"] = "MIT", ["identifier"] = "MIT" },
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/" }),
            ["paths"] = new JsonObject(paths),
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject { ["apiKey"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "An API key, sk-…" } },
                ["parameters"] = new JsonObject { ["IdempotencyKey"] = IdempotencyKey() },
                ["headers"] = new JsonObject
                {
                    ["RequestId"] = Header("The request's id, which the audit row and the server's log have as well.", "string"),
                    ["RetryAfter"] = Header("Seconds to wait.", "integer"),
                    ["Location"] = Header("Where the object is.", "string"),
                },
                ["responses"] = new JsonObject(ErrorResponses.Components),
                ["schemas"] = new JsonObject(schemas.OrderBy(pair => pair.Key, StringComparer.Ordinal)),
            },
        };
    }

    private static JsonObject Path(IReadOnlyList<ApiRoute> routes) => new(
        from route in routes
        from method in route.Methods
        select KeyValuePair.Create(method.ToLowerInvariant(), (JsonNode?)Operation(route)));

    private static JsonObject Operation(ApiRoute route)
    {
        var told = route.Operation ?? new OperationAttribute(route.Function);
        var operation = new JsonObject
        {
            ["operationId"] = char.ToLowerInvariant(route.Function[0]) + route.Function[1..],
            ["summary"] = told.Summary,
            ["tags"] = new JsonArray(route.Path.Split('/', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(part => part != "v1") ?? "batch"),
            ["security"] = told.Scope == ApiScopes.None ? [] : new JsonArray(new JsonObject { ["apiKey"] = new JsonArray(told.Scope.ToString().ToLowerInvariant()) }),
        };
        var parameters = route.Parameters.Select(name => (JsonNode)PathParameter(name)).Concat(told.Query.Select(QueryParameters.Of));
        operation["parameters"] = new JsonArray([.. told.Makes ? parameters.Append(new JsonObject { ["$ref"] = "#/components/parameters/IdempotencyKey" }) : parameters]);
        if (told.Takes is { } body)
        {
            var mediaType = body == RequestSchemas.File ? "multipart/form-data" : "application/json";
            operation["requestBody"] = new JsonObject { ["required"] = !told.TakesNothing, ["content"] = new JsonObject { [mediaType] = new JsonObject { ["schema"] = Reference(body) } } };
        }

        operation["responses"] = Responses(route, told);
        return operation;
    }

    private static JsonObject Responses(ApiRoute route, OperationAttribute told)
    {
        var responses = new JsonObject();
        foreach (var status in new[] { told.Status, told.OrStatus }.Where(status => status != 0))
        {
            var answer = Content(told.Summary, told.MediaType, told.Answers is { } type ? Reference(ResponseSchemas.NameOf(type)) : []);
            if (told.Streams is { } piece)
            {
                answer["content"]!["text/event-stream"] = new JsonObject { ["schema"] = Reference(ResponseSchemas.NameOf(piece)) };
            }

            if (told.Makes && status is 201 or 202)
            {
                answer["headers"]!["Location"] = new JsonObject { ["$ref"] = "#/components/headers/Location" };
            }

            responses[$"{status}"] = answer;
        }

        foreach (var (status, name) in ErrorResponses.Of(route))
        {
            responses[$"{status}"] = new JsonObject { ["$ref"] = $"#/components/responses/{name}" };
        }

        responses["default"] = new JsonObject { ["$ref"] = $"#/components/responses/{ErrorResponses.Any}" };
        return responses;
    }

    internal static JsonObject Content(string description, string mediaType, JsonObject schema) => new()
    {
        ["description"] = description,
        ["headers"] = new JsonObject { ["x-request-id"] = new JsonObject { ["$ref"] = "#/components/headers/RequestId" } },
        ["content"] = new JsonObject { [mediaType] = new JsonObject { ["schema"] = schema } },
    };

    internal static JsonObject Reference(string name) => new() { ["$ref"] = $"#/components/schemas/{name}" };

    private static JsonObject PathParameter(string name) =>
        new() { ["name"] = name, ["in"] = "path", ["required"] = true, ["description"] = DescriptionOf(name), ["schema"] = new JsonObject { ["type"] = "string" } };

    private static string DescriptionOf(string parameter) => parameter switch
    {
        "delivery" => "The delivery's id.",
        "custom_id" or "customId" => "The line's custom_id.",
        _ => "The object's id.",
    };

    private static JsonObject Header(string description, string type) => new() { ["description"] = description, ["schema"] = new JsonObject { ["type"] = type } };

    private static JsonObject IdempotencyKey() => new()
    {
        ["name"] = "Idempotency-Key",
        ["in"] = "header",
        ["description"] = "The same key with the same content gives the same object; with other content 409.",
        ["schema"] = new JsonObject { ["type"] = "string", ["maxLength"] = 255 },
    };
}
