namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>
/// JSON Schema's formats as regular expressions. Each takes a part of what its RFC allows, the part that every reader understands: quoted local parts of
/// addresses, leap seconds and IPv6 zones are left out.
/// </summary>
internal static class StringFormats
{
    // RFC 3339, years 1000 to 9999, with the lengths of the months and the leap years of the Gregorian calendar.
    private const string Date = "([1-9]\\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))"
        + "|([1-9]\\d(0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)";

    private const string Time = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-](0\\d|1[0-3]):[0-5]\\d)";
    private const string Label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    private const string Host = $"{Label}(\\.{Label}){{0,3}}";
    private const string Byte = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    private const string Group = "[0-9a-fA-F]{1,4}";

    private static readonly Dictionary<string, string> Patterns = new(StringComparer.Ordinal)
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}T{Time}",
        ["duration"] = "P((\\d{1,6}Y(\\d{1,6}M(\\d{1,6}D)?)?|\\d{1,6}M(\\d{1,6}D)?|\\d{1,6}D)(T(\\d{1,6}H(\\d{1,6}M(\\d{1,6}S)?)?|\\d{1,6}M(\\d{1,6}S)?|\\d{1,6}S))?"
            + "|T(\\d{1,6}H(\\d{1,6}M(\\d{1,6}S)?)?|\\d{1,6}M(\\d{1,6}S)?|\\d{1,6}S)|\\d{1,6}W)",
        ["uuid"] = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
        ["email"] = $"[a-zA-Z0-9_+-]{{1,32}}(\\.[a-zA-Z0-9_+-]{{1,32}}){{0,2}}@{Label}(\\.{Label}){{0,2}}\\.[a-zA-Z]{{2,12}}",
        ["hostname"] = Host,
        ["ipv4"] = $"({Byte}\\.){{3}}{Byte}",
        ["ipv6"] = $"(({Group}:){{7}}{Group}|({Group}:){{1,7}}:|({Group}:){{1,6}}:{Group}|({Group}:){{1,5}}(:{Group}){{1,2}}|({Group}:){{1,4}}(:{Group}){{1,3}}"
            + $"|({Group}:){{1,3}}(:{Group}){{1,4}}|({Group}:){{1,2}}(:{Group}){{1,5}}|{Group}:(:{Group}){{1,6}}|:((:{Group}){{1,7}}|:))",
        ["uri"] = $"(https?|ftp)://{Host}(:[1-9]\\d{{0,3}})?(/([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{{2}})*)*(\\?([a-zA-Z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-fA-F]{{2}})*)?"
            + "(#([a-zA-Z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-fA-F]{2})*)?",
    };

    public static string Names => string.Join(", ", Patterns.Keys);

    public static Expression? Find(string name) => Patterns.TryGetValue(name, out var pattern) ? RegexParser.ParseWhole(pattern, name) : null;
}
