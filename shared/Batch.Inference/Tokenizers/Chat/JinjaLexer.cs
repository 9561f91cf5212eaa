using System.Text;

namespace Batch.Inference.Tokenizers.Chat;

internal enum JinjaTokenKind
{
    Text,
    BlockStart,
    BlockEnd,
    OutputStart,
    OutputEnd,
    Name,
    String,
    Integer,
    Float,
    Symbol,
    End,
}

/// <param name="Kind">What it is.</param>
/// <param name="Text">A string's value, else as written.</param>
/// <param name="Line">Counted from 1.</param>
internal readonly record struct JinjaToken(JinjaTokenKind Kind, string Text, int Line);

/// <summary>
/// Cuts a template into tokens, with white space handled as transformers sets Jinja up: trim_blocks and lstrip_blocks, no trailing newline
/// (https://jinja.palletsprojects.com, "Whitespace Control").
/// </summary>
internal sealed class JinjaLexer
{
    private static readonly string[] Symbols =
        ["**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|"];

    private readonly string _source;
    private readonly List<JinjaToken> _tokens = [];
    private int _at;
    private int _line = 1;

    private JinjaLexer(string source)
    {
        var lines = source.ReplaceLineEndings("\n");
        _source = lines.EndsWith('\n') ? lines[..^1] : lines;
    }

    public static List<JinjaToken> Read(string source)
    {
        var lexer = new JinjaLexer(source);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private void ReadAll()
    {
        var startsLine = true;
        while (_at < _source.Length)
        {
            var tag = NextTag();
            AddText(tag, startsLine);
            if (tag == _source.Length)
            {
                break;
            }
            var kind = _source[tag + 1];
            MoveTo(tag + 2);
            if (Current is '-' or '+' && kind != '{' || (Current == '-' && kind == '{'))
            {
                _at++;
            }
            startsLine = kind switch
            {
                '#' => SkipComment(),
                '%' => ReadTag(JinjaTokenKind.BlockStart, JinjaTokenKind.BlockEnd, "%}", trimsNewline: true),
                _ => ReadTag(JinjaTokenKind.OutputStart, JinjaTokenKind.OutputEnd, "}}", trimsNewline: false),
            };
        }
        Add(JinjaTokenKind.End, "");
    }

    private char Current => _at < _source.Length ? _source[_at] : '\0';

    private int NextTag()
    {
        for (var i = _at; i + 1 < _source.Length; i++)
        {
            if (_source[i] == '{' && _source[i + 1] is '%' or '{' or '#')
            {
                return i;
            }
        }
        return _source.Length;
    }

    /// <summary>The text up to a tag, less the white space that the tag takes.</summary>
    private void AddText(int tag, bool startsLine)
    {
        var text = _source[_at..tag];
        if (tag < _source.Length)
        {
            var control = tag + 2 < _source.Length ? _source[tag + 2] : '\0';
            if (control == '-')
            {
                text = text.TrimEnd();
            }
            else if (_source[tag + 1] != '{' && control != '+')
            {
                var line = text.LastIndexOf('\n') + 1;
                if ((line > 0 || startsLine) && text.AsSpan(line).IsWhiteSpace())
                {
                    text = text[..line];
                }
            }
        }
        if (text.Length > 0)
        {
            Add(JinjaTokenKind.Text, text);
        }
        MoveTo(tag);
    }

    private bool SkipComment()
    {
        var end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw JinjaError.At(_line, "comment without end, wanted '#}'");
        }
        var control = _source[end - 1];
        MoveTo(end + 2);
        return AfterTag(control, trimsNewline: true);
    }

    private bool ReadTag(JinjaTokenKind start, JinjaTokenKind end, string close, bool trimsNewline)
    {
        Add(start, "");
        var depth = 0; // braces of dictionaries
        while (true)
        {
            SkipSpace();
            var control = Current is '-' or '+' && StartsWith(close, 1) ? Current : '\0';
            if (control != '\0' || (depth == 0 && StartsWith(close, 0)))
            {
                _at += close.Length + (control == '\0' ? 0 : 1);
                Add(end, "");
                return AfterTag(control, trimsNewline);
            }
            depth += Current == '{' ? 1 : Current == '}' ? -1 : 0;
            ReadExpressionToken();
        }
    }

    /// <summary>Takes the white space after a tag; true when what follows begins a line.</summary>
    private bool AfterTag(char control, bool trimsNewline)
    {
        var before = _at;
        if (control == '-')
        {
            SkipSpace();
        }
        else if (trimsNewline && control != '+' && Current == '\n')
        {
            MoveTo(_at + 1);
        }
        return _at > before && _source[_at - 1] == '\n';
    }

    private void ReadExpressionToken()
    {
        var start = _at;
        if (Current == '\0')
        {
            throw JinjaError.At(_line, "tag without end, wanted '%}' or '}}'");
        }
        if (Current is '\'' or '"')
        {
            ReadString();
        }
        else if (char.IsAsciiDigit(Current))
        {
            ReadNumber();
        }
        else if (char.IsLetter(Current) || Current == '_')
        {
            while (char.IsLetterOrDigit(Current) || Current == '_')
            {
                _at++;
            }
            Add(JinjaTokenKind.Name, _source[start.._at]);
        }
        else
        {
            var symbol = Array.Find(Symbols, symbol => StartsWith(symbol, 0)) ?? throw JinjaError.At(_line, $"unexpected '{Current}'");
            _at += symbol.Length;
            Add(JinjaTokenKind.Symbol, symbol);
        }
    }

    private void ReadNumber()
    {
        var start = _at;
        var kind = JinjaTokenKind.Integer;
        while (char.IsAsciiDigit(Current) || (Current == '.' && _at + 1 < _source.Length && char.IsAsciiDigit(_source[_at + 1])))
        {
            kind = Current == '.' ? JinjaTokenKind.Float : kind;
            _at++;
        }
        Add(kind, _source[start.._at]);
    }

    private void ReadString()
    {
        var (quote, line) = (Current, _line);
        var value = new StringBuilder();
        for (_at++; Current != quote; _at++)
        {
            if (_at >= _source.Length)
            {
                throw JinjaError.At(line, $"string without end, wanted {quote}");
            }
            _line += Current == '\n' ? 1 : 0;
            if (Current == '\\' && _at + 1 < _source.Length)
            {
                value.Append(ReadEscape());
                continue;
            }
            value.Append(Current);
        }
        _at++;
        _tokens.Add(new JinjaToken(JinjaTokenKind.String, value.ToString(), line));
    }

    /// <summary>Stays on the escape's last character.</summary>
    private string ReadEscape()
    {
        _at++;
        switch (Current)
        {
            case 'n':
                return "\n";
            case 't':
                return "\t";
            case 'r':
                return "\r";
            case '\\' or '\'' or '"':
                return Current.ToString();
            case 'u' or 'x':
                var digits = _source.AsSpan(_at + 1, Math.Min(Current == 'u' ? 4 : 2, _source.Length - _at - 1));
                if (!ushort.TryParse(digits, System.Globalization.NumberStyles.AllowHexSpecifier, null, out var code))
                {
                    throw JinjaError.At(_line, $"escape \\{Current} wants hexadecimal digits, saw '{digits}'");
                }
                _at += digits.Length;
                return ((char)code).ToString();
            default:
                return "\\" + Current;
        }
    }

    private void SkipSpace()
    {
        var end = _at;
        while (end < _source.Length && char.IsWhiteSpace(_source[end]))
        {
            end++;
        }
        MoveTo(end);
    }

    private bool StartsWith(string text, int offset) =>
        _at + offset <= _source.Length && _source.AsSpan(_at + offset).StartsWith(text, StringComparison.Ordinal);

    private void MoveTo(int at)
    {
        _line += _source.AsSpan(_at, at - _at).Count('\n');
        _at = at;
    }

    private void Add(JinjaTokenKind kind, string text) => _tokens.Add(new JinjaToken(kind, text, _line));
}
