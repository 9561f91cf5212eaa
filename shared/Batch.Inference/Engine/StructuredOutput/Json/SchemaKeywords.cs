namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>Which words of a schema are obeyed and which change nothing; any other is refused by name.</summary>
internal static class SchemaKeywords
{
    public static readonly string[] ForObjects = ["properties", "required", "additionalProperties"];
    public static readonly string[] ForArrays = ["items", "prefixItems", "minItems", "maxItems"];
    public static readonly string[] ForStrings = ["minLength", "maxLength", "pattern", "format"];
    public static readonly string[] ForNumbers = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

    private static readonly HashSet<string> Obeyed =
        [.. ForObjects, .. ForArrays, .. ForStrings, .. ForNumbers, "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"];

    private static readonly HashSet<string> Annotations =
    [
        "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "discriminator", "contentEncoding", "contentMediaType",
        "$schema", "$id", "$comment", "$defs", "definitions", "$anchor",
    ];

    // Refused unless they ask for nothing.
    private static readonly Dictionary<string, string> NeutralValues = new(StringComparer.Ordinal) { ["uniqueItems"] = "false", ["minProperties"] = "0", ["minContains"] = "0", ["nullable"] = "false" };

    public static bool IsAnnotation(string name) => Annotations.Contains(name) || NeutralValues.ContainsKey(name);

    /// <summary>Throws for the first keyword that is not known, or not in this place.</summary>
    public static void Check(SchemaPart schema)
    {
        foreach (var (name, part) in schema.Members())
        {
            if (!Obeyed.Contains(name) && !Annotations.Contains(name) && !(NeutralValues.TryGetValue(name, out var neutral) && part.Raw == neutral))
            {
                throw schema.Refused($"the keyword '{name}' is not supported");
            }
        }
    }
}
