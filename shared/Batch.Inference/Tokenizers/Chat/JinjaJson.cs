using System.Globalization;
using System.Text;

namespace Batch.Inference.Tokenizers.Chat;

/// <summary>Writes values as Python's json.dumps(value, ensure_ascii=False) does, which is transformers' tojson.</summary>
internal sealed class JinjaJson(int? indent)
{
    private readonly StringBuilder _json = new();

    /// <param name="value">What to write.</param>
    /// <param name="indent">Spaces per level; null for one line.</param>
    public static string Write(object? value, int? indent)
    {
        var json = new JinjaJson(indent);
        json.Write(value, depth: 0);
        return json._json.ToString();
    }

    private void Write(object? value, int depth)
    {
        JinjaRepr.Check(_json, depth);
        switch (value)
        {
            case Dictionary<string, object?> map:
                WriteAll('{', '}', map, depth, pair =>
                {
                    Quote(pair.Key);
                    _json.Append(": ");
                    Write(pair.Value, depth + 1);
                });
                break;
            case List<object?> list:
                WriteAll('[', ']', list, depth, item => Write(item, depth + 1));
                break;
            case string text:
                Quote(text);
                break;
            case bool b:
                _json.Append(b ? "true" : "false");
                break;
            default:
                _json.Append(value is null or JinjaUndefined ? "null" : JinjaRepr.Write(value));
                break;
        }
    }

    private void WriteAll<T>(char open, char close, IReadOnlyCollection<T> items, int depth, Action<T> write)
    {
        _json.Append(open);
        var first = true;
        foreach (var item in items)
        {
            _json.Append(first ? "" : indent is null ? ", " : ",");
            NewLine(depth + 1);
            write(item);
            first = false;
        }
        if (!first)
        {
            NewLine(depth);
        }
        _json.Append(close);
    }

    private void NewLine(int depth)
    {
        if (indent is { } width)
        {
            _json.Append('\n').Append(' ', Math.Clamp(width, 0, 100) * depth);
        }
    }

    private void Quote(string text)
    {
        _json.Append('"');
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => _json.Append("\\\""),
                '\\' => _json.Append("\\\\"),
                '\n' => _json.Append("\\n"),
                '\r' => _json.Append("\\r"),
                '\t' => _json.Append("\\t"),
                '\b' => _json.Append("\\b"),
                '\f' => _json.Append("\\f"),
                < ' ' => _json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => _json.Append(c),
            };
        }
        _json.Append('"');
    }
}
