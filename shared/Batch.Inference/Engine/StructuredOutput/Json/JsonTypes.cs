using System.Globalization;
using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>Which types a schema speaks of.</summary>
internal static class JsonTypes
{
    private static readonly string[] All = ["object", "array", "string", "number", "integer", "boolean", "null"];

    /// <summary>The names in a type keyword.</summary>
    public static List<string> Named(SchemaPart type)
    {
        List<string> names = type.Value.ValueKind == JsonValueKind.Array ? [.. type.Items().Select(item => item.Text()).Distinct()] : [type.Text()];
        return names.Find(name => !All.Contains(name)) is { } wrong ? throw type.Refused($"'{wrong}' is no type; types are {string.Join(", ", All)}") : names;
    }

    /// <summary>The types to write: those named, else those whose keywords are there, else all.</summary>
    public static List<string> Of(SchemaPart schema)
    {
        if (schema.Find("type") is { } type)
        {
            return Named(type);
        }
        var types = new List<string>();
        void AddIf(string[] keywords, string name)
        {
            if (keywords.Any(keyword => schema.Find(keyword) is not null))
            {
                types.Add(name);
            }
        }
        AddIf(SchemaKeywords.ForObjects, "object");
        AddIf(SchemaKeywords.ForArrays, "array");
        AddIf(SchemaKeywords.ForStrings, "string");
        AddIf(SchemaKeywords.ForNumbers, "number");
        return types.Count > 0 ? types : ["object", "array", "string", "number", "boolean", "null"];
    }

    /// <summary>Whether a value is of one of the types.</summary>
    public static bool Includes(List<string> types, JsonElement value) => types.Contains(Of(value)) || types.Contains("number") && Of(value) == "integer";

    public static string Of(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        JsonValueKind.Null => "null",
        _ => IsInteger(value) ? "integer" : "number",
    };

    private static bool IsInteger(JsonElement value) =>
        decimal.TryParse(value.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number == decimal.Floor(number);
}
