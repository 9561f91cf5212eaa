using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>One schema for two that hold at once, keyword by keyword. What has no simple intersection is refused by name.</summary>
internal static class SchemaMerge
{
    private static readonly HashSet<string> Lower = ["minimum", "exclusiveMinimum", "minLength", "minItems"];
    private static readonly HashSet<string> Upper = ["maximum", "exclusiveMaximum", "maxLength", "maxItems"];

    private const int MostLevels = 512; // no more than a schema may have, and what holds it here

    public static SchemaPart Make(IEnumerable<(string Name, string Raw)> keywords, string path) =>
        new(JsonElement.Parse($"{{{string.Join(',', keywords.Select(keyword => $"{JsonSerializer.Serialize(keyword.Name)}:{keyword.Raw}"))}}}", new JsonDocumentOptions { MaxDepth = MostLevels }), path);

    /// <param name="place">Whom complaints name.</param>
    public static SchemaPart Both(SchemaPart a, SchemaPart b, SchemaPart place)
    {
        RequireKnownProperties(a, b, place);
        RequireKnownProperties(b, a, place);
        var keywords = a.Members().ToDictionary(member => member.Name, member => member.Part.Raw);
        foreach (var (name, part) in b.Members())
        {
            keywords[name] = a.Find(name) is { } other && other.Raw != part.Raw ? Both(name, other, part, place) : part.Raw;
        }
        return Make(keywords.Select(keyword => (keyword.Key, keyword.Value)), place.Path);
    }

    private static string Both(string name, SchemaPart a, SchemaPart b, SchemaPart place)
    {
        if (Lower.Contains(name))
        {
            return a.Number() >= b.Number() ? a.Raw : b.Raw;
        }
        if (Upper.Contains(name))
        {
            return a.Number() <= b.Number() ? a.Raw : b.Raw;
        }
        return name switch
        {
            "type" => Types(a, b),
            "required" => $"[{string.Join(',', a.Items().Concat(b.Items()).Select(item => item.Raw).Distinct())}]",
            "properties" => Properties(a, b),
            "items" => All(a, b),
            "enum" => $"[{string.Join(',', a.Items().Select(item => item.Raw).Intersect(b.Items().Select(item => item.Raw)))}]",
            _ => throw place.Refused($"two schemas that both hold differ in '{name}', which cannot be merged"),
        };
    }

    // A number is an integer, too.
    private static string Types(SchemaPart a, SchemaPart b)
    {
        var (left, right) = (JsonTypes.Named(a), JsonTypes.Named(b));
        return $"[{string.Join(',', left.Where(right.Contains).Concat(left.Contains("integer") != right.Contains("integer") && left.Concat(right).Contains("number") ? ["integer"] : []).Distinct().Select(type => $"\"{type}\""))}]";
    }

    private static string Properties(SchemaPart a, SchemaPart b)
    {
        var merged = a.Members().Select(member => (member.Name, Raw: b.Find(member.Name) is { } other && other.Raw != member.Part.Raw ? All(member.Part, other) : member.Part.Raw));
        return Make(merged.Concat(b.Members().Where(member => a.Find(member.Name) is null).Select(member => (member.Name, member.Part.Raw))), a.Path).Raw;
    }

    private static string All(SchemaPart a, SchemaPart b) => $"{{\"allOf\":[{a.Raw},{b.Raw}]}}";

    // additionalProperties speaks of the properties beside it alone.
    private static void RequireKnownProperties(SchemaPart a, SchemaPart b, SchemaPart place)
    {
        if (a.Find("additionalProperties") is { IsTrue: false } && (b.Find("properties")?.Members() ?? []).Any(member => a.Find("properties")?.Find(member.Name) is null))
        {
            throw place.Refused("two schemas that both hold list different properties, and one limits additionalProperties, which cannot be merged");
        }
    }
}
