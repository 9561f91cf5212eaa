using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Batch.Inference.Engine;
using Batch.Jobs;

namespace Batch.Functions.OpenApi;

/// <summary>The schemas of what is answered, from the records that are written and their comments.</summary>
internal static class ResponseSchemas
{
    private static readonly JsonSerializerOptions Options = new(JobJson.Options) { RespectNullableAnnotations = true };

    private static readonly JsonSchemaExporterOptions Exporter = new()
    {
        TreatNullObliviousAsNonNullable = true,
        TransformSchemaNode = (context, schema) => Describe(context, HoldNulls(context, Require(context.TypeInfo, Written(context.TypeInfo.Type, schema)))),
    };

    /// <summary>The name under which the document has a record: <c>BatchView</c> is Batch, <c>Page&lt;BatchView&gt;</c> BatchPage.</summary>
    public static string NameOf(Type type) => type.IsGenericType
        ? NameOf(type.GenericTypeArguments[0]) + type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]
        : type.Name.EndsWith("View", StringComparison.Ordinal) ? type.Name[..^4] : type.Name;

    public static JsonNode Of(Type type) => Rooted(Options.GetJsonSchemaAsNode(type, Exporter), $"#/components/schemas/{NameOf(type)}");

    // A stop string is written as a string, a stop token as a number: a converter's doing, which the exporter does not see.
    private static JsonNode Written(Type type, JsonNode schema) =>
        Nullable.GetUnderlyingType(type) == typeof(StopReason) ? new JsonObject { ["type"] = new JsonArray("string", "integer", "null") } : schema;

    // What is never null, and not left out for its value, is always there.
    private static JsonNode Require(JsonTypeInfo type, JsonNode schema)
    {
        if (type.Kind == JsonTypeInfoKind.Object && schema is JsonObject made && made["properties"] is JsonObject)
        {
            made["required"] = new JsonArray([.. type.Properties.Where(property => property is { IsGetNullable: false, ShouldSerialize: null, Get: not null }).Select(property => (JsonNode)property.Name)]);
        }

        return schema;
    }

    // A list of what may be null, which the exporter does not see.
    private static JsonNode HoldNulls(JsonSchemaExporterContext context, JsonNode schema)
    {
        if (context.PropertyInfo?.AttributeProvider is PropertyInfo property && schema is JsonObject list && list["items"] is JsonObject items && items["type"] is JsonValue type
            && new NullabilityInfoContext().Create(property).GenericTypeArguments is [{ ReadState: NullabilityState.Nullable }])
        {
            items["type"] = new JsonArray(type.GetValue<string>(), "null");
        }

        return schema;
    }

    private static JsonNode Describe(JsonSchemaExporterContext context, JsonNode schema)
    {
        var said = context.PropertyInfo?.AttributeProvider is PropertyInfo property ? DocComments.Of(property.DeclaringType!, property.Name) : null;
        if ((said ?? DocComments.Of(Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type)) is not { } description)
        {
            return schema;
        }

        // What may be anything is the schema true, which holds no description.
        var made = schema as JsonObject ?? [];
        made["description"] = description;
        return made;
    }

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
}
