using System.Globalization;

namespace Batch.Inference.Tokenizers.Chat;

/// <summary>Jinja's built-in filters, as far as chat templates use them.</summary>
internal static class JinjaFilters
{
    public static object? Apply(string name, object? value, JinjaArguments arguments)
    {
        var line = arguments.Line;
        arguments.Budget.Charge(value, line);
        return name switch
        {
            "trim" => JinjaMethods.Strip(JinjaValues.ToText(value), arguments, start: true, end: true),
            "upper" => JinjaValues.ToText(value).ToUpperInvariant(),
            "lower" => JinjaValues.ToText(value).ToLowerInvariant(),
            "capitalize" => JinjaMethods.Capitalize(JinjaValues.ToText(value)),
            "title" => JinjaMethods.Title(JinjaValues.ToText(value)),
            "replace" => JinjaMethods.Replace(JinjaValues.ToText(value), arguments),
            "indent" => Indent(JinjaValues.ToText(value), arguments),
            "string" or "safe" => JinjaValues.ToText(value),
            "int" => ToInteger(value, arguments),
            "float" => JinjaValues.Number(value) ?? Parse(value) ?? JinjaValues.Number(arguments.Get(0, "default")) ?? 0.0,
            "abs" => value is long n and > long.MinValue ? (object)Math.Abs(n) : Math.Abs(JinjaValues.Number(value) ?? 0),
            "length" or "count" => JinjaValues.Length(value, line),
            "default" or "d" => value is JinjaUndefined || (JinjaValues.IsTrue(arguments.Get(1, "boolean")) && !JinjaValues.IsTrue(value))
                ? arguments.Get(0, "default_value", "")
                : value,
            "tojson" => JinjaJson.Write(value, (int?)(arguments.Get(0, "indent") as long?)),
            "items" => JinjaValues.Pairs(value, line),
            "dictsort" => JinjaValues.Pairs(value, line).OrderBy(Key, StringComparer.OrdinalIgnoreCase).ToList(),
            "list" => JinjaValues.Items(value, line),
            "first" => JinjaValues.Items(value, line) is [var first, ..] ? first : new JinjaUndefined("first of nothing"),
            "last" => JinjaValues.Items(value, line) is [.., var last] ? last : new JinjaUndefined("last of nothing"),
            "reverse" => Reverse(value, line),
            "join" => Join(value, arguments),
            "map" => Map(value, arguments),
            "select" => Select(value, arguments, attribute: false, keep: true),
            "reject" => Select(value, arguments, attribute: false, keep: false),
            "selectattr" => Select(value, arguments, attribute: true, keep: true),
            "rejectattr" => Select(value, arguments, attribute: true, keep: false),
            _ => throw JinjaError.At(line, $"filter '{name}' is not supported"),
        };
    }

    private static string Key(object? pair) => (string)((List<object?>)pair!)[0]!;

    private static object Reverse(object? value, int line)
    {
        var reversed = Enumerable.Reverse(JinjaValues.Items(value, line)).ToList();
        return value is string ? string.Concat(reversed) : reversed;
    }

    private static string Join(object? value, JinjaArguments arguments)
    {
        var items = JinjaValues.Items(value, arguments.Line);
        if (arguments.Get(1, "attribute") is string attribute)
        {
            items = items.ConvertAll(item => Attribute(item, attribute, arguments.Line));
        }
        return JinjaMethods.Join(JinjaValues.ToText(arguments.Get(0, "d", "")), items, arguments.Line);
    }

    /// <summary>map(attribute="name") or map("filter", its arguments).</summary>
    private static List<object?> Map(object? value, JinjaArguments arguments)
    {
        var items = JinjaValues.Items(value, arguments.Line);
        if (arguments.Named.GetValueOrDefault("attribute") is string attribute)
        {
            return items.ConvertAll(item => Attribute(item, attribute, arguments.Line));
        }
        var filter = arguments.Text(0, "filter");
        var rest = arguments with { Positional = [.. arguments.Positional.Skip(1)] };
        return items.ConvertAll(item => Apply(filter, item, rest));
    }

    /// <summary>Keeps or drops what is true, or what passes the named test; of the item itself or of one attribute.</summary>
    private static List<object?> Select(object? value, JinjaArguments arguments, bool attribute, bool keep)
    {
        var skipped = attribute ? 1 : 0;
        var test = arguments.Positional.Count > skipped ? arguments.Text(skipped, "test") : null;
        var rest = arguments with { Positional = [.. arguments.Positional.Skip(skipped + 1)] };
        return JinjaValues.Items(value, arguments.Line).FindAll(item =>
        {
            var subject = attribute ? Attribute(item, arguments.Text(0, "attribute"), arguments.Line) : item;
            arguments.Budget.Charge(subject, arguments.Line);
            return (test is null ? JinjaValues.IsTrue(subject) : JinjaTests.Holds(test, subject, rest)) == keep;
        });
    }

    private static object? Attribute(object? item, string name, int line) =>
        new JinjaMember(new JinjaLiteral(item, line), new JinjaLiteral(name, line), line).Evaluate(new JinjaScope());

    private static object? ToInteger(object? value, JinjaArguments arguments) => value switch
    {
        long => value,
        double d => (long)d,
        bool b => b ? 1L : 0L,
        _ => Parse(value) is { } parsed ? (long)parsed : arguments.Get(0, "default", 0L),
    };

    private static double? Parse(object? value) =>
        double.TryParse(value as string, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) ? parsed : null;

    private static string Indent(string text, JinjaArguments arguments)
    {
        var space = arguments.Get(0, "width", 4L) is long width
            ? new string(' ', (int)Math.Clamp(width, 0, 1000))
            : arguments.Text(0, "width");
        var lines = text.Split('\n');
        JinjaBudget.CheckSize(text.Length + ((long)space.Length * lines.Length), arguments.Line);
        var (first, blank) = (JinjaValues.IsTrue(arguments.Get(1, "first")), JinjaValues.IsTrue(arguments.Get(2, "blank")));
        return string.Join('\n', lines.Select((line, i) => (i == 0 ? first : blank || line.Length > 0) ? space + line : line));
    }
}
