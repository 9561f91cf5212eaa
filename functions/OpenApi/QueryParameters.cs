using System.Text.Json.Nodes;

namespace Batch.Functions.OpenApi;

/// <summary>The query parameters of the lists.</summary>
internal static class QueryParameters
{
    public static JsonObject Of(string name) => name switch
    {
        "after" => Parameter(name, "The id after which the page begins.", new JsonObject { ["type"] = "string" }),
        "limit" => Parameter(name, "Most objects of the page, at most 100.", Integer(100, 20)),
        "limit10000" => Parameter("limit", "Most objects of the page, at most 10,000.", Integer(10_000, 10_000)),
        "order" => Parameter(name, "By creation.", new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("asc", "desc"), ["default"] = "desc" }),
        _ => Parameter(name, "Only what has it.", new JsonObject { ["type"] = "string" }),
    };

    private static JsonObject Integer(int most, int standard) => new() { ["type"] = "integer", ["minimum"] = 1, ["maximum"] = most, ["default"] = standard };

    private static JsonObject Parameter(string name, string description, JsonObject schema) =>
        new() { ["name"] = name, ["in"] = "query", ["description"] = description, ["schema"] = schema };
}
