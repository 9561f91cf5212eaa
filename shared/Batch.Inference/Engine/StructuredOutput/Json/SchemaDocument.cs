using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>The whole schema: finds what a $ref means, and makes one schema of several that hold at once.</summary>
internal sealed class SchemaDocument(JsonElement root, CompileBudget budget)
{
    private const int MostSteps = 64; // of $ref and allOf, one leading to the next

    public SchemaPart Root { get; } = new(root, "#");

    /// <summary>The schema that a $ref means.</summary>
    public SchemaPart Resolve(SchemaPart reference)
    {
        var pointer = reference.Text();
        if (pointer != "#" && !pointer.StartsWith("#/", StringComparison.Ordinal))
        {
            throw reference.Refused($"only references within the schema, such as #/$defs/name, are supported, was {JsonSerializer.Serialize(pointer)}");
        }
        var at = Root.Value;
        foreach (var step in pointer.Split('/').Skip(1))
        {
            var name = Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            at = at.ValueKind == JsonValueKind.Object && at.TryGetProperty(name, out var member) ? member
                : at.ValueKind == JsonValueKind.Array && int.TryParse(name, out var index) && index >= 0 && index < at.GetArrayLength() ? at[index]
                : throw reference.Refused($"there is no {pointer}");
        }
        return new SchemaPart(at, pointer);
    }

    /// <summary>The schema without allOf, and without $ref unless that is all there is.</summary>
    public SchemaPart Flatten(SchemaPart schema, int step = 0)
    {
        budget.Work(100 + schema.Raw.Length / 8); // schemas that hold each other twice double at each level
        if (step > MostSteps)
        {
            throw schema.Refused($"$ref and allOf lead on for more than {MostSteps} steps");
        }
        if (schema.Value.ValueKind != JsonValueKind.Object)
        {
            return schema.IsTrue || schema.IsFalse ? schema : throw schema.Wrong("a schema: an object, true or false");
        }
        SchemaKeywords.Check(schema);
        var own = Own(schema, "$ref", "allOf");
        var hasOwn = own.Members().Any();
        if (schema.Find("$ref") is { } reference && schema.Find("allOf") is null && !hasOwn)
        {
            return schema; // a call, which may lead back here
        }
        var parts = new List<SchemaPart>();
        if (schema.Find("$ref") is { } mixed)
        {
            parts.Add(Resolve(mixed));
        }
        parts.AddRange(schema.Find("allOf")?.Items() ?? []);
        if (parts.Count == 1 && !hasOwn)
        {
            return Flatten(parts[0], step + 1);
        }
        foreach (var part in parts)
        {
            var flat = Flatten(part, step + 1);
            while (flat.Find("$ref") is { } inner && step++ <= MostSteps)
            {
                flat = Flatten(Resolve(inner), step + 1);
            }
            own = flat.IsTrue ? own : flat.IsFalse ? flat : own.IsFalse ? own : SchemaMerge.Both(own, flat, schema);
        }
        return own;
    }

    /// <summary>The schema's keywords but these and annotations.</summary>
    public static SchemaPart Own(SchemaPart schema, params string[] without) => SchemaMerge.Make(
        schema.Members().Where(member => !without.Contains(member.Name) && !SchemaKeywords.IsAnnotation(member.Name)).Select(member => (member.Name, member.Part.Raw)), schema.Path);
}
