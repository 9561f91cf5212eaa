using System.Globalization;
using System.Text;

namespace Batch.Inference.Tokenizers.Chat;

/// <summary>Python's repr(), of at most as many characters as a text may have.</summary>
internal static class JinjaRepr
{
    public static string Write(object? value)
    {
        var text = new StringBuilder();
        Write(text, value, depth: 0);
        return text.ToString();
    }

    /// <summary>Refuses what nests too deep, or has grown too long.</summary>
    public static void Check(StringBuilder text, int depth)
    {
        if (depth > JinjaBudget.MostDepth)
        {
            throw new InvalidDataException($"chat template: lists or mappings more than {JinjaBudget.MostDepth} deep");
        }
        if (text.Length > JinjaBudget.MostCharacters)
        {
            throw new InvalidDataException($"chat template: a text of more than {JinjaBudget.MostCharacters:N0} characters");
        }
    }

    private static void Write(StringBuilder text, object? value, int depth)
    {
        Check(text, depth);
        switch (value)
        {
            case List<object?> list:
                text.Append('[');
                for (var i = 0; i < list.Count; i++)
                {
                    text.Append(i == 0 ? "" : ", ");
                    Write(text, list[i], depth + 1);
                }
                text.Append(']');
                break;
            case Dictionary<string, object?> map:
                text.Append('{');
                var start = "";
                foreach (var (key, item) in map)
                {
                    text.Append(start).Append(Scalar(key)).Append(": ");
                    Write(text, item, depth + 1);
                    start = ", ";
                }
                text.Append('}');
                break;
            default:
                text.Append(Scalar(value));
                break;
        }
    }

    private static string Scalar(object? value) => value switch
    {
        null => "None",
        bool b => b ? "True" : "False",
        long n => n.ToString(CultureInfo.InvariantCulture),
        double d => d == Math.Floor(d) && Math.Abs(d) < 1e16
            ? d.ToString("F1", CultureInfo.InvariantCulture)
            : d.ToString("R", CultureInfo.InvariantCulture),
        string text => "'" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)
            .Replace("\n", "\\n", StringComparison.Ordinal) + "'",
        _ => JinjaValues.Describe(value),
    };
}
