namespace Batch.Inference.Tokenizers.Chat;

/// <summary>What a name without a value is: false, empty, and an error to look into.</summary>
internal sealed record JinjaUndefined(string Name);

/// <summary>What namespace() makes: the one kind of value that a template may change.</summary>
internal sealed class JinjaNamespace
{
    public Dictionary<string, object?> Values { get; } = [];
}

/// <summary>The arguments of a call, filter or test.</summary>
internal sealed record JinjaArguments(IReadOnlyList<object?> Positional, IReadOnlyDictionary<string, object?> Named, JinjaBudget Budget, int Line)
{
    /// <summary>By position, else by name, else the fallback.</summary>
    public object? Get(int position, string name, object? fallback = null) =>
        position < Positional.Count ? Positional[position] : Named.GetValueOrDefault(name, fallback);

    public string Text(int position, string name, string? fallback = null) => Get(position, name, fallback) as string
        ?? throw JinjaError.At(Line, $"argument '{name}' wants a string, saw {JinjaValues.Describe(Get(position, name))}");
}

internal delegate object? JinjaFunction(JinjaArguments arguments);

/// <summary>
/// Python's rules for values. They are: null (None), <see cref="JinjaUndefined"/>, bool, long, double, string, List&lt;object?&gt;,
/// Dictionary&lt;string, object?&gt;, <see cref="JinjaNamespace"/> and <see cref="JinjaFunction"/>.
/// </summary>
internal static class JinjaValues
{
    public static bool IsTrue(object? value) => value switch
    {
        null or JinjaUndefined => false,
        bool b => b,
        long n => n != 0,
        double d => d != 0,
        string s => s.Length > 0,
        List<object?> list => list.Count > 0,
        Dictionary<string, object?> map => map.Count > 0,
        _ => true,
    };

    public static bool AreEqual(object? left, object? right, JinjaBudget budget, int line, int depth = 0)
    {
        budget.Charge(line);
        if (depth > JinjaBudget.MostDepth)
        {
            throw JinjaError.At(line, $"lists or mappings more than {JinjaBudget.MostDepth} deep");
        }
        bool Same(object? a, object? b) => AreEqual(a, b, budget, line, depth + 1);
        return (left, right) switch
        {
            (string a, string b) => a == b,
            (List<object?> a, List<object?> b) => a.Count == b.Count && a.Zip(b).All(pair => Same(pair.First, pair.Second)),
            (Dictionary<string, object?> a, Dictionary<string, object?> b) =>
                a.Count == b.Count && a.All(pair => b.TryGetValue(pair.Key, out var other) && Same(pair.Value, other)),
            _ when Number(left) is { } a && Number(right) is { } b => a == b,
            _ => Equals(left, right),
        };
    }

    /// <summary>Less than zero, zero, more than zero; numbers and strings only.</summary>
    public static int Compare(object? left, object? right, int line)
    {
        if (left is string a && right is string b)
        {
            return string.CompareOrdinal(a, b);
        }
        return Number(left) is { } x && Number(right) is { } y
            ? x.CompareTo(y)
            : throw JinjaError.At(line, $"cannot order {Describe(left)} and {Describe(right)}");
    }

    public static bool Contains(object? container, object? item, JinjaBudget budget, int line) => container switch
    {
        string text => item is string part && text.Contains(part, StringComparison.Ordinal),
        List<object?> list => list.Exists(element => AreEqual(element, item, budget, line)),
        Dictionary<string, object?> map => item is string key && map.ContainsKey(key),
        JinjaUndefined => false,
        _ => throw JinjaError.At(line, $"'in' wants a string, list or mapping, saw {Describe(container)}"),
    };

    public static List<object?> Items(object? value, int line) => value switch
    {
        List<object?> list => list,
        string text => [.. text.EnumerateRunes().Select(rune => rune.ToString())],
        Dictionary<string, object?> map => [.. map.Keys],
        JinjaUndefined => [],
        _ => throw JinjaError.At(line, $"cannot iterate over {Describe(value)}"),
    };

    public static List<object?> Pairs(object? value, int line) => value switch
    {
        Dictionary<string, object?> map => [.. map.Select(pair => new List<object?> { pair.Key, pair.Value })],
        JinjaUndefined => [],
        _ => throw JinjaError.At(line, $"'items' wants a mapping, saw {Describe(value)}"),
    };

    public static long Length(object? value, int line) => value switch
    {
        Dictionary<string, object?> map => map.Count,
        _ => Items(value, line).Count,
    };

    public static double? Number(object? value) => value switch
    {
        bool b => b ? 1 : 0,
        long n => n,
        double d => d,
        _ => null,
    };

    /// <summary>Python's str().</summary>
    public static string ToText(object? value) => value switch
    {
        string text => text,
        JinjaUndefined => "",
        _ => JinjaRepr.Write(value),
    };

    /// <summary>Names a value's kind in an error.</summary>
    public static string Describe(object? value) => value switch
    {
        null => "none",
        JinjaUndefined undefined => $"'{undefined.Name}', which is undefined",
        bool => "a boolean",
        long or double => "a number",
        string => "a string",
        List<object?> => "a list",
        Dictionary<string, object?> => "a mapping",
        _ => "a function or namespace",
    };
}
