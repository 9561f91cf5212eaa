using System.Globalization;

namespace Batch.Inference.Tokenizers.Chat;

/// <summary>The methods of Python's str and dict that templates call.</summary>
internal static class JinjaMethods
{
    /// <summary>The method bound to its value, or null where there is none of that name.</summary>
    public static JinjaFunction? Find(object? target, string name) => target switch
    {
        string text => OfText(text, name),
        Dictionary<string, object?> map => OfMap(map, name),
        _ => null,
    };

    private static JinjaFunction? OfText(string text, string name) => name switch
    {
        "strip" => a => Strip(text, a, start: true, end: true),
        "lstrip" => a => Strip(text, a, start: true, end: false),
        "rstrip" => a => Strip(text, a, start: false, end: true),
        "upper" => _ => text.ToUpperInvariant(),
        "lower" => _ => text.ToLowerInvariant(),
        "title" => _ => Title(text),
        "capitalize" => _ => Capitalize(text),
        "startswith" => a => AnyOf(a, part => text.StartsWith(part, StringComparison.Ordinal)),
        "endswith" => a => AnyOf(a, part => text.EndsWith(part, StringComparison.Ordinal)),
        "removeprefix" => a => text.StartsWith(a.Text(0, "prefix"), StringComparison.Ordinal) ? text[a.Text(0, "prefix").Length..] : text,
        "removesuffix" => a => text.EndsWith(a.Text(0, "suffix"), StringComparison.Ordinal) ? text[..^a.Text(0, "suffix").Length] : text,
        "find" => a => (long)text.IndexOf(a.Text(0, "sub"), StringComparison.Ordinal),
        "count" => a => (long)(text.Split(a.Text(0, "sub")).Length - 1),
        "replace" => a => Replace(text, a),
        "split" => a => Split(text, a, fromEnd: false),
        "rsplit" => a => Split(text, a, fromEnd: true),
        "splitlines" => _ => text.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n').ToList<object?>(),
        "join" => a => Join(text, JinjaValues.Items(a.Get(0, "iterable"), a.Line), a.Line),
        _ => null,
    };

    private static JinjaFunction? OfMap(Dictionary<string, object?> map, string name) => name switch
    {
        "items" => a => JinjaValues.Pairs(map, a.Line),
        "keys" => _ => map.Keys.ToList<object?>(),
        "values" => _ => map.Values.ToList(),
        "get" => a => map.TryGetValue(a.Text(0, "key"), out var value) ? value : a.Get(1, "default"),
        _ => null,
    };

    public static string Strip(string text, JinjaArguments arguments, bool start, bool end)
    {
        var characters = arguments.Get(0, "chars") is null ? null : arguments.Text(0, "chars");
        bool Goes(char c) => characters?.Contains(c) ?? IsSpace(c);
        var (from, to) = (0, text.Length);
        while (start && from < to && Goes(text[from]))
        {
            from++;
        }
        while (end && to > from && Goes(text[to - 1]))
        {
            to--;
        }
        return text[from..to];
    }

    /// <summary>Python counts the information separators U+001C to U+001F, .NET does not.</summary>
    private static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001c' and <= '\u001f';

    public static string Title(string text) => CultureInfo.InvariantCulture.TextInfo.ToTitleCase(text.ToLowerInvariant());

    public static string Capitalize(string text) =>
        text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    public static string Replace(string text, JinjaArguments arguments)
    {
        var (old, replacement) = (arguments.Text(0, "old"), arguments.Text(1, "new"));
        var count = arguments.Get(2, "count") as long? ?? -1;
        if (old.Length > 0 && replacement.Length > old.Length)
        {
            var found = text.AsSpan().Count(old);
            JinjaBudget.CheckSize(text.Length + ((long)found * (replacement.Length - old.Length)), arguments.Line);
        }
        if (count < 0)
        {
            return old.Length == 0 ? text : text.Replace(old, replacement, StringComparison.Ordinal);
        }
        var parts = text.Split(old, (int)Math.Min(count, int.MaxValue - 1) + 1);
        return string.Join(replacement, parts);
    }

    public static string Join(string separator, List<object?> items, int line)
    {
        var joined = new System.Text.StringBuilder();
        for (var i = 0; i < items.Count; i++)
        {
            joined.Append(i == 0 ? "" : separator).Append(JinjaValues.ToText(items[i]));
            JinjaBudget.CheckSize(joined.Length, line);
        }
        return joined.ToString();
    }

    private static bool AnyOf(JinjaArguments arguments, Func<string, bool> holds) => arguments.Get(0, "prefix") is List<object?> several
        ? several.OfType<string>().Any(holds)
        : holds(arguments.Text(0, "prefix"));

    /// <summary>What white space parts; after the most splits, the rest as it is.</summary>
    private static IEnumerable<string> Words(string text, long most)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (IsSpace(text[i]))
            {
                continue;
            }
            var start = i;
            while (i < text.Length && (most == 0 || !IsSpace(text[i])))
            {
                i++;
            }
            most--;
            yield return text[start..i];
        }
    }

    private static List<object?> Split(string text, JinjaArguments arguments, bool fromEnd)
    {
        var most = arguments.Get(1, "maxsplit") as long? ?? -1;
        if (arguments.Get(0, "sep") is null)
        {
            return fromEnd && most >= 0
                ? throw JinjaError.At(arguments.Line, "rsplit at white space with maxsplit is not supported")
                : [.. Words(text, most < 0 ? long.MaxValue : most)];
        }
        var separator = arguments.Text(0, "sep");
        List<object?> parts = [.. text.Split(separator)];
        if (most < 0 || parts.Count <= most + 1)
        {
            return parts;
        }
        var (kept, rest) = ((int)most, parts.Count - (int)most);
        return fromEnd
            ? [string.Join(separator, parts.Take(rest)), .. parts.Skip(rest)]
            : [.. parts.Take(kept), string.Join(separator, parts.Skip(kept))];
    }
}
