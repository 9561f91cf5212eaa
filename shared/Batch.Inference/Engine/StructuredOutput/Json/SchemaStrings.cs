namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>Strings under minLength, maxLength, pattern and format.</summary>
/// <param name="free">Any string.</param>
/// <param name="character">One character of any string.</param>
internal sealed class SchemaStrings(Expression free, Expression character, CharacterSet alphabet, CompileBudget budget)
{
    public Expression Build(SchemaPart schema)
    {
        var (least, most) = (schema.Find("minLength")?.Count() ?? 0, schema.Find("maxLength")?.Count());
        if (most < least)
        {
            return Expression.Nothing;
        }
        var rules = new List<Expression>();
        if (schema.Find("pattern") is { } pattern)
        {
            rules.Add(RegexParser.ParseSearch(pattern.Text(), $"json_schema at {pattern.Path}"));
        }
        if (schema.Find("format") is { } format)
        {
            rules.Add(StringFormats.Find(format.Text()) ?? throw format.Refused($"the format '{format.Text()}' is not supported; formats are {StringFormats.Names}"));
        }
        if (rules.Count == 0)
        {
            return (least, most) is (0, null) ? free : JsonSyntax.Quoted(new Expression.Repeat(character, least, most));
        }
        if ((least, most) is not (0, null))
        {
            rules.Add(new Expression.Repeat(Expression.Of(CharacterSet.All), least, most));
        }
        var body = JsonSyntax.Escaped(rules[0]);
        foreach (var rule in rules.Skip(1))
        {
            body = Dfa.Combine(body, JsonSyntax.Escaped(rule), except: false, alphabet, budget);
        }
        return JsonSyntax.Quoted(body);
    }
}
