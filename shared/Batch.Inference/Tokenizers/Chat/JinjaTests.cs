namespace Batch.Inference.Tokenizers.Chat;

/// <summary>Jinja's built-in tests, as in "is defined".</summary>
internal static class JinjaTests
{
    public static bool Holds(string name, object? value, JinjaArguments arguments)
    {
        object? Other() => arguments.Get(0, "other");
        var line = arguments.Line;
        return name switch
        {
            "defined" => value is not JinjaUndefined,
            "undefined" => value is JinjaUndefined,
            "none" => value is null,
            "true" => value is true,
            "false" => value is false,
            "boolean" => value is bool,
            "string" => value is string,
            "number" => value is long or double or bool,
            "integer" => value is long,
            "float" => value is double,
            "mapping" => value is Dictionary<string, object?>,
            "sequence" or "iterable" => value is string or List<object?> or Dictionary<string, object?>,
            "callable" => value is JinjaFunction,
            "odd" => value is long n && n % 2 != 0,
            "even" => value is long n && n % 2 == 0,
            "divisibleby" => value is long n && Other() is long and not 0 and var d && n % d == 0,
            "in" => JinjaValues.Contains(Other(), value, arguments.Budget, line),
            "equalto" or "eq" or "==" or "sameas" => JinjaValues.AreEqual(value, Other(), arguments.Budget, line),
            "ne" or "!=" => !JinjaValues.AreEqual(value, Other(), arguments.Budget, line),
            "lt" or "lessthan" or "<" => JinjaValues.Compare(value, Other(), line) < 0,
            "le" or "<=" => JinjaValues.Compare(value, Other(), line) <= 0,
            "gt" or "greaterthan" or ">" => JinjaValues.Compare(value, Other(), line) > 0,
            "ge" or ">=" => JinjaValues.Compare(value, Other(), line) >= 0,
            _ => throw JinjaError.At(line, $"test '{name}' is not supported"),
        };
    }
}
