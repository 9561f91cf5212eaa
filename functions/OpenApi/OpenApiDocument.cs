using System.Reflection;
using System.Text.Json.Nodes;
using Batch.Jobs.Access;

namespace Batch.Functions.OpenApi;

/// <summary>The OpenAPI 3.1 document of this assembly's HTTP functions: routes from their triggers, schemas from the records.</summary>
internal static class OpenApiDocument
{
    public static JsonObject Build()
    {
        var answers = ApiRoute.All.Select(route => route.Operation?.Answers).OfType<Type>().Append(typeof(ApiError)).Distinct();
        var schemas = answers.Select(type => KeyValuePair.Create(ResponseSchemas.NameOf(type), (JsonNode?)ResponseSchemas.Of(type)))
            .Concat(RequestSchemas.All.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value())));
        var paths = ApiRoute.All.GroupBy(route => route.Path).Select(path => KeyValuePair.Create(path.Key, (JsonNode?)Path([.. path])));
        return new JsonObject
        {
            ["openapi"] = "3.1.1",
            ["info"] = new JsonObject
            {
                ["title"] = "Batch",
                ["description"] = "Queued writing jobs, OpenAI's files, batches and completions, schedules and keys, over one language model engine.",
                ["version"] = typeof(OpenApiDocument).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0",
                ["license"] = new JsonObject { ["name"] = "MIT", ["identifier"] = "MIT" },
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/" }),
            ["paths"] = new JsonObject(paths),
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject { ["apiKey"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "An API key, sk-…" } },
                ["parameters"] = new JsonObject { ["IdempotencyKey"] = IdempotencyKey() },
                ["responses"] = new JsonObject { ["Error"] = Content("What went wrong; 429 and 503 say when to come again in Retry-After.", "application/json", Reference(nameof(ApiError))) },
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
            operation["requestBody"] = new JsonObject { ["required"] = true, ["content"] = new JsonObject { [mediaType] = new JsonObject { ["schema"] = Reference(body) } } };
        }

        var schema = told.Answers is { } type ? Reference(ResponseSchemas.NameOf(type)) : told.MediaType == "application/json" ? new JsonObject { ["type"] = "object" } : [];
        operation["responses"] = new JsonObject
        {
            [$"{told.Status}"] = Content(told.Summary, told.MediaType, schema),
            ["default"] = new JsonObject { ["$ref"] = "#/components/responses/Error" },
        };
        return operation;
    }

    private static JsonObject Content(string description, string mediaType, JsonObject schema) =>
        new() { ["description"] = description, ["content"] = new JsonObject { [mediaType] = new JsonObject { ["schema"] = schema } } };

    private static JsonObject Reference(string name) => new() { ["$ref"] = $"#/components/schemas/{name}" };

    private static JsonObject PathParameter(string name) =>
        new() { ["name"] = name, ["in"] = "path", ["required"] = true, ["schema"] = new JsonObject { ["type"] = "string" } };

    private static JsonObject IdempotencyKey() => new()
    {
        ["name"] = "Idempotency-Key",
        ["in"] = "header",
        ["description"] = "The same key with the same content gives the same object; with other content 409.",
        ["schema"] = new JsonObject { ["type"] = "string", ["maxLength"] = 255 },
    };
}
