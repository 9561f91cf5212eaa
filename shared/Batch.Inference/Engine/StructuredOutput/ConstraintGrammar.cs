using Batch.Inference.Engine.StructuredOutput.Json;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>From a request's constraint to its grammar.</summary>
internal static class ConstraintGrammar
{
    private const int MostChoices = 10_000;

    /// <param name="alphabet">The characters that the tokenizer can write.</param>
    /// <exception cref="ArgumentException">The constraint is malformed, unsupported, too large, or no text meets it.</exception>
    public static Grammar Build(StructuredOutputParams constraint, CharacterSet alphabet)
    {
        switch (constraint)
        {
            case { Regex: { } regex, JsonSchema: null, Choice: null }:
                return Whole(RegexParser.ParseWhole(regex, "regex"), alphabet, "regex");
            case { Choice: { } choice, JsonSchema: null, Regex: null }:
                Check(choice);
                return Whole(new Expression.Alternatives([.. choice.Select(Expression.Text)]), alphabet, "choice");
            case { JsonSchema: { } schema, Regex: null, Choice: null }:
                if (HasLoneSurrogate(schema))
                {
                    throw StructuredOutputParams.Refused("json_schema", "it holds half a surrogate pair, which is no text");
                }
                return RequireText(SchemaCompiler.Compile(schema, alphabet, new CompileBudget("json_schema")), alphabet, "json_schema");
            default:
                var given = string.Join(" and ", new[] { constraint.JsonSchema is null ? null : "json_schema", constraint.Regex is null ? null : "regex", constraint.Choice is null ? null : "choice" }.OfType<string>());
                throw new ArgumentException(
                    $"{StructuredOutputParams.Parameter} must hold exactly one of json_schema, regex and choice, held {(given.Length == 0 ? "none" : given)}", StructuredOutputParams.Parameter);
        }
    }

    private static Grammar Whole(Expression expression, CharacterSet alphabet, string where) =>
        RequireText(Grammar.Build([expression], [0], 0, alphabet, new CompileBudget(where), where), alphabet, where);

    private static void Check(IReadOnlyList<string> choice)
    {
        if (choice.Count is 0 or > MostChoices)
        {
            throw StructuredOutputParams.Refused("choice", $"must hold 1 to {MostChoices} strings, held {choice.Count}");
        }
        for (var i = 0; i < choice.Count; i++)
        {
            if (string.IsNullOrEmpty(choice[i]) || HasLoneSurrogate(choice[i]))
            {
                throw StructuredOutputParams.Refused("choice", $"must hold non-empty strings of Unicode, string {i + 1} {(string.IsNullOrEmpty(choice[i]) ? "is empty" : "holds half a surrogate pair")}");
            }
        }
    }

    private static bool HasLoneSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]) && !(i + 1 < text.Length && char.IsSurrogatePair(text[i], text[++i])))
            {
                return true;
            }
        }
        return false;
    }

    private static Grammar RequireText(Grammar? grammar, CharacterSet alphabet, string where)
    {
        if (grammar is null)
        {
            throw StructuredOutputParams.Refused(where, alphabet == CharacterSet.All ? "no text meets it" : "this model's tokenizer lacks the characters for every text that meets it");
        }
        var start = grammar.Start(grammar.Root);
        return grammar.HasBytes(start) || grammar.Calls(start, out _).Length > 0 ? grammar : throw StructuredOutputParams.Refused(where, "only the empty text meets it");
    }
}
