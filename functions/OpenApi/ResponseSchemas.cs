using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Batch.Jobs;

namespace Batch.Functions.OpenApi;

/// <summary>The schemas of what is answered, from the records that are written.</summary>
internal static class ResponseSchemas
{
    private static readonly JsonSerializerOptions Options = new(JobJson.Options) { RespectNullableAnnotations = true };

    private static readonly JsonSchemaExporterOptions Exporter = new()
    {
        TreatNullObliviousAsNonNullable = true,
        TransformSchemaNode = (context, schema) =>
        {
            if (context.TypeInfo.Kind == JsonTypeInfoKind.Object && schema is JsonObject made && made["properties"] is JsonObject properties)
            {
                // What is never null is always there.
                var always = properties.Where(pair => !AllowsNull(pair.Value)).Select(pair => (JsonNode)pair.Key).ToArray();
                made["required"] = new JsonArray(always);
            }

            return schema;
        },
    };

    /// <summary>The name under which the document has a record: <c>BatchView</c> is Batch, <c>Page&lt;BatchView&gt;</c> BatchPage.</summary>
    public static string NameOf(Type type) => type.IsGenericType
        ? NameOf(type.GenericTypeArguments[0]) + type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]
        : type.Name.EndsWith("View", StringComparison.Ordinal) ? type.Name[..^4] : type.Name;

    public static JsonNode Of(Type type) => Rooted(Options.GetJsonSchemaAsNode(type, Exporter), $"#/components/schemas/{NameOf(type)}");

    // A type that comes twice is referred to from where it came first, as seen from the record.
    private static JsonNode Rooted(JsonNode schema, string root)
    {
        if (schema is JsonObject { } made && made["$ref"]?.GetValue<string>() is { } reference)
        {
            made["$ref"] = root + reference[1..];
        }

        foreach (var child in schema is JsonObject members ? members.Select(pair => pair.Value) : schema is JsonArray items ? items : [])
        {
            _ = child is null ? null : Rooted(child, root);
        }

        return schema;
    }

    private static bool AllowsNull(JsonNode? schema) => schema is not JsonObject { } property
        || (property["type"] is JsonArray types && types.Any(type => type!.GetValue<string>() == "null"))
        || (property["enum"] is JsonArray values && values.Any(value => value is null));
}
