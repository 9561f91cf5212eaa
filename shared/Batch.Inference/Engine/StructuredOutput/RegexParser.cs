using System.Buffers;
using System.Globalization;
using System.Text;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// Reads the regular part of ECMAScript's regular expressions (with its u flag: characters are Unicode scalar values). What no automaton can do,
/// backreferences and look-around, is refused by name and position, as is what the dialects disagree on.
/// </summary>
internal sealed class RegexParser
{
    private const int DeepestGroup = 100;
    private const int MostRepetitions = 100_000;

    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    private readonly string _where;
    private readonly string _pattern;
    private int _at;
    private int _depth;

    private RegexParser(string pattern, string where)
    {
        (_pattern, _where) = (pattern, where);
    }

    /// <summary>The texts that match as a whole; ^ and $ at the ends change nothing.</summary>
    /// <param name="where">Names the parameter in errors.</param>
    public static Expression ParseWhole(string pattern, string where) =>
        new Expression.Alternatives([.. new RegexParser(pattern, where).ReadPattern().Select(branch => branch.Body)]);

    /// <summary>The texts that hold a match anywhere, as JSON Schema's pattern means it; ^ and $ at the ends tie it to them.</summary>
    public static Expression ParseSearch(string pattern, string where)
    {
        var anything = new Expression.Repeat(Expression.Of(CharacterSet.All), 0, null);
        return new Expression.Alternatives([.. new RegexParser(pattern, where).ReadPattern().Select(branch =>
            Expression.Then(branch.FromStart ? Expression.Empty : anything, branch.Body, branch.ToEnd ? Expression.Empty : anything))]);
    }

    private List<(bool FromStart, Expression Body, bool ToEnd)> ReadPattern()
    {
        var branches = new List<(bool, Expression, bool)>();
        do
        {
            var fromStart = Take('^');
            var items = ReadItems();
            branches.Add((fromStart, new Expression.Sequence(items), Take('$')));
        }
        while (Take('|'));
        return _at == _pattern.Length ? branches
            : throw (_at > 0 && _pattern[_at - 1] == '$' ? Wrong("'$' is only allowed at the ends of the expression", _at - 1) : Wrong("')' closes nothing", _at));
    }

    // Up to '|', ')', '$' or the end.
    private List<Expression> ReadItems()
    {
        var items = new List<Expression>();
        while (_at < _pattern.Length && _pattern[_at] is not ('|' or ')' or '$'))
        {
            var start = _at;
            items.Add(ReadQuantifier(ReadAtom(), start));
        }
        return items;
    }

    private Expression ReadAtom()
    {
        var start = _at;
        switch (_pattern[_at])
        {
            case '(':
                return ReadGroup();
            case '[':
                return Expression.Of(RegexClass());
            case '.':
                _at++;
                return Expression.Of(CharacterSet.Dot);
            case '\\':
                return Expression.Of(ReadEscape(inClass: false));
            case '^':
                throw Wrong("'^' is only allowed at the ends of the expression", start);
            case '*' or '+' or '?':
                throw Wrong($"'{_pattern[_at]}' repeats nothing", start);
            default:
                return Expression.Of(CharacterSet.Of(ReadCharacter()));
        }
    }

    private Expression ReadGroup()
    {
        var start = _at++;
        if (++_depth > DeepestGroup)
        {
            throw Wrong($"groups nest deeper than {DeepestGroup}", start);
        }
        if (Take('?'))
        {
            SkipGroupName(start);
        }
        var branches = new List<Expression>();
        do
        {
            branches.Add(new Expression.Sequence(ReadItems()));
        }
        while (Take('|'));
        if (!Take(')'))
        {
            throw _at < _pattern.Length ? Wrong("'$' is only allowed at the ends of the expression", _at) : Wrong("'(' is not closed", start);
        }
        _depth--;
        return branches.Count == 1 ? branches[0] : new Expression.Alternatives(branches);
    }

    // What follows "(?": a group without a number, or a name, which changes nothing here.
    private void SkipGroupName(int start)
    {
        if (Take(':'))
        {
            return;
        }
        var rest = _pattern.AsSpan(_at);
        if (rest.StartsWith("=") || rest.StartsWith("!"))
        {
            throw Wrong("look-ahead is not supported", start);
        }
        if (rest.StartsWith("<=") || rest.StartsWith("<!"))
        {
            throw Wrong("look-behind is not supported", start);
        }
        var name = rest.StartsWith("P<") ? 2 : rest.StartsWith("<") ? 1 : throw Wrong("this kind of group ('(?') is not supported; (…), (?:…) and (?<name>…) are", start);
        var end = rest.IndexOf('>');
        if (end <= name || rest[name..end].ContainsAnyExcept(NameCharacters))
        {
            throw Wrong("a group's name must be letters, digits and underscores, then '>'", start);
        }
        _at += end + 1;
    }

    private Expression ReadQuantifier(Expression item, int start)
    {
        if (_at == _pattern.Length)
        {
            return item;
        }
        var (least, most) = (0, (int?)null);
        switch (_pattern[_at])
        {
            case '*':
                _at++;
                break;
            case '+':
                _at++;
                least = 1;
                break;
            case '?':
                _at++;
                most = 1;
                break;
            case '{' when _at + 1 < _pattern.Length && char.IsAsciiDigit(_pattern[_at + 1]):
                (least, most) = ReadCounts();
                break;
            default:
                return item;
        }
        Take('?'); // lazy: the same texts
        if (_at < _pattern.Length && _pattern[_at] is '*' or '+' or '?')
        {
            throw Wrong($"'{_pattern[_at]}' after a quantifier is not supported", _at);
        }
        return most < least ? throw Wrong($"the repetition's most, {most}, is below its least, {least}", start) : new Expression.Repeat(item, least, most);
    }

    private (int Least, int? Most) ReadCounts()
    {
        var start = _at++;
        var least = ReadNumber(start);
        int? most = least;
        if (Take(','))
        {
            most = _at < _pattern.Length && char.IsAsciiDigit(_pattern[_at]) ? ReadNumber(start) : null;
        }
        return Take('}') ? (least, most) : throw Wrong("a repetition must be {m}, {m,} or {m,n}", start);
    }

    private int ReadNumber(int start)
    {
        var number = 0;
        while (_at < _pattern.Length && char.IsAsciiDigit(_pattern[_at]))
        {
            number = number * 10 + _pattern[_at++] - '0';
            if (number > MostRepetitions)
            {
                throw Wrong($"a repetition count must be at most {MostRepetitions}", start);
            }
        }
        return number;
    }

    private CharacterSet RegexClass()
    {
        var start = _at++;
        var negated = Take('^');
        var set = CharacterSet.Empty;
        while (!Take(']'))
        {
            if (_at == _pattern.Length)
            {
                throw Wrong("'[' is not closed", start);
            }
            if (_pattern.AsSpan(_at).StartsWith("[:"))
            {
                throw Wrong("POSIX classes such as [:alpha:] are not supported", _at);
            }
            var (from, first) = (_at, ReadClassItem());
            if (_at + 1 < _pattern.Length && _pattern[_at] == '-' && _pattern[_at + 1] != ']')
            {
                _at++;
                first = Range(first, ReadClassItem(), from);
            }
            set = set.Or(first);
        }
        return negated ? set.Complement() : set;
    }

    private CharacterSet ReadClassItem() => _at == _pattern.Length ? throw Wrong("'[' is not closed", _at)
        : _pattern[_at] == '\\' ? ReadEscape(inClass: true) : CharacterSet.Of(ReadCharacter());

    private CharacterSet Range(CharacterSet first, CharacterSet last, int from)
    {
        if (first.Ranges is [var low] && last.Ranges is [var high] && low.First == low.Last && high.First == high.Last && low.First <= high.First)
        {
            return CharacterSet.Of((low.First, high.First));
        }
        throw Wrong($"'{_pattern[from.._at]}' is no range of characters from a lower to a higher one", from);
    }

    private CharacterSet ReadEscape(bool inClass)
    {
        var start = _at++;
        if (_at == _pattern.Length)
        {
            throw Wrong("'\\' escapes nothing", start);
        }
        var c = _pattern[_at++];
        switch (c)
        {
            case 'd' or 'D':
                return c == 'd' ? CharacterSet.Digits : CharacterSet.Digits.Complement();
            case 'w' or 'W':
                return c == 'w' ? CharacterSet.Word : CharacterSet.Word.Complement();
            case 's' or 'S':
                return c == 's' ? CharacterSet.Space : CharacterSet.Space.Complement();
            case 'p' or 'P':
                var category = ReadCategory(start);
                return c == 'p' ? category : category.Complement();
            case 'b' when inClass:
                return Character('\b');
            case 'b' or 'B':
                throw Wrong($"the word boundary \\{c} is not supported", start);
            case >= '1' and <= '9':
                throw Wrong($"the backreference \\{c} is not supported", start);
            case 'k':
                throw Wrong("the backreference \\k is not supported", start);
            case '0' when _at == _pattern.Length || !char.IsAsciiDigit(_pattern[_at]):
                return Character('\0');
            case 't' or 'n' or 'r' or 'f' or 'v':
                return Character("\t\n\r\f\v"["tnrfv".IndexOf(c, StringComparison.Ordinal)]);
            case 'x':
                return Character(ReadHex(2, start));
            case 'u':
                return Character(ReadUnicode(start));
            case 'c' when _at < _pattern.Length && char.IsAsciiLetter(_pattern[_at]):
                return Character(_pattern[_at++] & 31);
            default:
                return char.IsAsciiLetterOrDigit(c) ? throw Wrong($"the escape \\{c} is not supported", start) : EscapedCharacter();
        }
    }

    private static CharacterSet Character(int character) => CharacterSet.Of((character, character));

    private CharacterSet EscapedCharacter()
    {
        _at--;
        return CharacterSet.Of(ReadCharacter());
    }

    private CharacterSet ReadCategory(int start)
    {
        var end = _at < _pattern.Length && _pattern[_at] == '{' ? _pattern.IndexOf('}', _at) : -1;
        var name = end < 0 ? "" : _pattern[(_at + 1)..end];
        _at = end + 1;
        return CharacterSet.OfCategory(name) ?? throw Wrong($"\\p{{{name}}} is not supported; general categories such as \\p{{L}} and \\p{{Lu}} are", start);
    }

    private int ReadUnicode(int start)
    {
        if (Take('{'))
        {
            var end = _pattern.IndexOf('}', _at);
            var digits = end < 0 ? "" : _pattern[_at..end];
            _at = end + 1;
            return int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) && Rune.IsValid(value)
                ? value
                : throw Wrong("\\u{…} must hold the hexadecimal number of a character", start);
        }
        var unit = ReadHex(4, start);
        if (char.IsHighSurrogate((char)unit) && _pattern.AsSpan(_at).StartsWith("\\u"))
        {
            _at += 2;
            var low = ReadHex(4, start);
            return char.IsLowSurrogate((char)low) ? char.ConvertToUtf32((char)unit, (char)low) : throw Wrong("half a surrogate pair is no character", start);
        }
        return char.IsSurrogate((char)unit) ? throw Wrong("half a surrogate pair is no character", start) : unit;
    }

    private int ReadHex(int digits, int start)
    {
        if (_at + digits <= _pattern.Length
            && int.TryParse(_pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            _at += digits;
            return value;
        }
        throw Wrong($"wanted {digits} hexadecimal digits", start);
    }

    private Rune ReadCharacter()
    {
        if (!Rune.TryGetRuneAt(_pattern, _at, out var rune))
        {
            throw Wrong("half a surrogate pair is no character", _at);
        }
        _at += rune.Utf16SequenceLength;
        return rune;
    }

    private bool Take(char c)
    {
        var taken = _at < _pattern.Length && _pattern[_at] == c;
        _at += taken ? 1 : 0;
        return taken;
    }

    private ArgumentException Wrong(string problem, int at) => StructuredOutputParams.Refused(_where, $"{problem} (character {at + 1})");
}
