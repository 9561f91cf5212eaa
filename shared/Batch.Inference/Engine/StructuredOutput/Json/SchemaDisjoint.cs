using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>Whether no value can meet two schemas, as far as types, constants and required members show it.</summary>
internal sealed class SchemaDisjoint(SchemaDocument document)
{
    private const int Deepest = 8;

    public bool Holds(SchemaPart a, SchemaPart b, int depth = 0)
    {
        if (depth > Deepest)
        {
            return false;
        }
        (a, b) = (Open(a), Open(b));
        if (a.IsFalse || b.IsFalse)
        {
            return true;
        }
        if (Branches(a) is { } left)
        {
            return left.All(branch => Holds(branch, b, depth + 1)) || HoldsPlainly(a, b, depth);
        }
        return Branches(b) is { } right && right.All(branch => Holds(a, branch, depth + 1)) || HoldsPlainly(a, b, depth);
    }

    private bool HoldsPlainly(SchemaPart a, SchemaPart b, int depth)
    {
        var (left, right) = (Values(a), Values(b));
        if (left is not null && right is not null)
        {
            return !left.Exists(value => right.Exists(other => JsonElement.DeepEquals(value, other)));
        }
        var (leftTypes, rightTypes) = (Types(a, left), Types(b, right));
        if (leftTypes is null || rightTypes is null)
        {
            return false;
        }
        var common = leftTypes.Where(type => rightTypes.Contains(type) || type == "integer" && rightTypes.Contains("number") || type == "number" && rightTypes.Contains("integer")).ToList();
        return common.Count == 0 || common is ["object"] && left is null && right is null && ObjectsDiffer(a, b, depth);
    }

    private bool ObjectsDiffer(SchemaPart a, SchemaPart b, int depth)
    {
        var (left, right) = (Required(a), Required(b));
        return left.Exists(name => Forbids(b, name)) || right.Exists(name => Forbids(a, name))
            || left.Union(right).Any(name => a.Find("properties")?.Find(name) is { } one && b.Find("properties")?.Find(name) is { } other && Holds(one, other, depth + 1));
    }

    private static bool Forbids(SchemaPart schema, string name) =>
        schema.Find("additionalProperties") is { IsFalse: true } && schema.Find("properties")?.Find(name) is null;

    private static List<string> Required(SchemaPart schema) => [.. schema.Find("required")?.Items().Select(item => item.Text()) ?? []];

    private static IEnumerable<SchemaPart>? Branches(SchemaPart schema) => (schema.Find("anyOf") ?? schema.Find("oneOf"))?.Items();

    private static List<JsonElement>? Values(SchemaPart schema) => schema.Find("const") is { } value ? [value.Value]
        : schema.Find("enum")?.Items().Select(item => item.Value).ToList();

    // Null: any. Keywords without a type allow every other type.
    private static List<string>? Types(SchemaPart schema, List<JsonElement>? values) =>
        values?.ConvertAll(JsonTypes.Of) ?? (schema.Find("type") is { } type ? JsonTypes.Named(type) : null);

    private SchemaPart Open(SchemaPart schema)
    {
        schema = document.Flatten(schema);
        for (var i = 0; i < Deepest && schema.Find("$ref") is { } reference; i++)
        {
            schema = document.Flatten(document.Resolve(reference));
        }
        return schema;
    }
}
