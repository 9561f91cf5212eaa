using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>How JSON is written here: one way for each character of a constrained string, bounded white space.</summary>
internal static class JsonSyntax
{
    /// <summary>What a string holds as it is.</summary>
    public static CharacterSet Plain { get; } = CharacterSet.Of((0, 0x1F), ('"', '"'), ('\\', '\\')).Complement();

    /// <summary>At most one space, or a line break with an indentation, so that no text ends in endless white space.</summary>
    public static Expression Space { get; } = Expression.Optional(Expression.Either(
        Expression.Text(" "), Expression.Then(Expression.Text("\n"), new Expression.Repeat(Expression.Text(" "), 0, 16))));

    public static Expression Comma { get; } = Expression.Then(Expression.Text(","), Space);

    public static Expression Colon { get; } = Expression.Then(Expression.Text(":"), Expression.Optional(Expression.Text(" ")));

    /// <summary>One character of a string without constraints, in any of JSON's writings but half surrogate pairs.</summary>
    public static Expression AnyCharacter { get; } = Expression.Either(Expression.Of(Plain), Expression.Then(Expression.Text("\\"), Expression.Either(
        Set("\"\\/bfnrt"),
        Expression.Then(Expression.Text("u"), Expression.Either(
            Expression.Then(Set("0123456789abcefABCEF"), Hex, Hex, Hex),
            Expression.Then(Set("dD"), Set("01234567"), Hex, Hex),
            Expression.Then(Set("dD"), Set("89abAB"), Hex, Hex, Expression.Text("\\u"), Set("dD"), Set("cdefCDEF"), Hex, Hex))))));

    private static Expression Hex => Set("0123456789abcdefABCDEF");

    public static Expression Set(string characters) => Expression.Of(CharacterSet.Of(characters.Select(c => ((int)c, (int)c))));

    public static Expression Quoted(Expression body) => Expression.Then(Expression.Text("\""), body, Expression.Text("\""));

    /// <summary>The expression's texts as the inside of a JSON string, each character in its shortest writing.</summary>
    public static Expression Escaped(Expression expression) => expression switch
    {
        Expression.Characters characters => Escaped(characters.Set),
        Expression.Sequence sequence => new Expression.Sequence([.. sequence.Items.Select(Escaped)]),
        Expression.Alternatives alternatives => new Expression.Alternatives([.. alternatives.Items.Select(Escaped)]),
        Expression.Repeat repeat => repeat with { Item = Escaped(repeat.Item) },
        _ => throw new InvalidOperationException($"{expression.GetType().Name} is not written in characters"),
    };

    public static Expression Escaped(CharacterSet set)
    {
        var forms = new List<Expression> { Expression.Of(set.And(Plain)) };
        foreach (var (first, last) in set.Except(Plain).Ranges)
        {
            for (var c = first; c <= last; c++)
            {
                forms.Add(Expression.Text(Escape((char)c)));
            }
        }
        return new Expression.Alternatives(forms);
    }

    /// <summary>Exactly this string, quoted.</summary>
    public static Expression String(string text)
    {
        var written = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            written.Append(Plain.Contains(rune.Value) ? rune.ToString() : Escape((char)rune.Value));
        }
        return Quoted(Expression.Text(written.ToString()));
    }

    /// <summary>Exactly this value, numbers and the order of members as they are written in it.</summary>
    public static Expression Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => String(value.GetString()!),
        JsonValueKind.Array => List("[", value.EnumerateArray().Select(Value), "]"),
        JsonValueKind.Object => List("{", value.EnumerateObject().Select(member => Expression.Then(String(member.Name), Colon, Value(member.Value))), "}"),
        _ => Expression.Text(value.GetRawText()),
    };

    private static Expression.Sequence List(string open, IEnumerable<Expression> items, string close)
    {
        var parts = new List<Expression> { Expression.Text(open), Space };
        foreach (var item in items)
        {
            if (parts.Count > 2)
            {
                parts.Add(Comma);
            }
            parts.Add(item);
        }
        if (parts.Count > 2)
        {
            parts.Add(Space);
        }
        return new Expression.Sequence([.. parts, Expression.Text(close)]);
    }

    private static string Escape(char c) => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
    };
}
