using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Jobs.Files;
using Batch.Jobs.Storage;

namespace Batch.Functions.OpenApi;

/// <summary>The query parameters of the lists.</summary>
internal static class QueryParameters
{
    public const string After = "after";
    public const string AfterLine = "after line";
    public const string Limit = "limit";
    public const string FileLimit = "file limit";
    public const string Order = "order";
    public const string Purpose = "purpose";
    public const string LineStatus = "line status";
    public const string DeliveryStatus = "delivery status";

    public static JsonObject Of(string name) => name switch
    {
        After => Parameter(name, "The id after which the page begins.", new JsonObject { ["type"] = "string" }),
        AfterLine => Parameter("after", "The custom_id after which the page begins.", new JsonObject { ["type"] = "string" }),
        Limit => Parameter(name, "Most objects of the page, at most 100.", Integer(100, 20)),
        FileLimit => Parameter("limit", "Most objects of the page, at most 10,000.", Integer(10_000, 10_000)),
        Order => Parameter(name, "By creation.", OneOf(["asc", "desc"], "desc")),
        Purpose => Parameter(name, "Only files for it.", OneOf([FilePurpose.Batch, FilePurpose.BatchOutput])),
        LineStatus => Parameter("status", "Only lines that stand there.", OneOf(Names<Jobs.Batches.LineStatus>(), "running")),
        DeliveryStatus => Parameter("status", "Only deliveries that stand there.", OneOf(Names<WebhookState>())),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no query parameter of this name"),
    };

    private static JsonObject Integer(int most, int standard) => new() { ["type"] = "integer", ["minimum"] = 1, ["maximum"] = most, ["default"] = standard };

    private static JsonObject OneOf(IEnumerable<string> values, string? standard = null)
    {
        var schema = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. values.Select(value => (JsonNode)value)]) };
        _ = standard is null ? null : schema["default"] = standard;
        return schema;
    }

    private static IEnumerable<string> Names<T>()
        where T : struct, Enum => Enum.GetNames<T>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName);

    private static JsonObject Parameter(string name, string description, JsonObject schema) =>
        new() { ["name"] = name, ["in"] = "query", ["description"] = description, ["schema"] = schema };
}
