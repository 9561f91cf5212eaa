using System.Text;
using CsCheck;

namespace Batch.Benchmarks.Fuzz;

/// <summary>
/// Valid documents, changed: spans of tokens or whole brackets are dropped, repeated, swapped, nested, and replaced by parts of other documents or by words
/// that are known to hurt. It knows brackets, quotes and words alone, which serves JSON, templates, expressions and addresses alike. One in eight is only
/// damaged byte by byte, as files are.
/// </summary>
/// <param name="documents">What the parser accepts.</param>
/// <param name="words">What means something to the parser.</param>
internal sealed class Mutated(IReadOnlyList<byte[]> documents, IReadOnlyList<string> words) : Gen<byte[]>
{
    private const int Longest = 200_000;

    private static readonly string[] Hurtful =
    [
        "null", "true", "false", "-1", "0", "1", "2", "0.5", "-0", "1e308", "1e999", "1e-400", "2147483647", "2147483648", "-2147483649", "9223372036854775808", "18446744073709551616", "NaN",
        "\"\"", "\" \"", "\"a\\n\"", "\"\\ud800\"", "\"\\u0000\"", "\"../../etc/passwd\"", "\"\xff\xfe\"", "[]", "{}", "[[]]", "\"\":0", ",", ":", "\\", "\n", "\r\n", "\0", "\xef\xbb\xbf", "\xf0\x9f\x98\x80",
        "{{", "}}", "{%", "%}", "(", ")", "{", "}", "[", "]", "*", "+", "?", "|", "^", "$", "..", "/", "%2e%2e%2f", "#", "@",
    ];

    private static readonly string[] Values = [.. Hurtful.Where(word => word.Length > 0 && (word[0] == '"' || char.IsAsciiLetterOrDigit(word[0]) || word is "[]" or "{}" or "[[]]" || (word[0] == '-' && word.Length > 1)))];

    private readonly string[][] _documents = [.. documents.Select(document => Tokens(Encoding.Latin1.GetString(document)))];

    public override byte[] Generate(PCG pcg, Size? min, out Size size)
    {
        var tokens = _documents[pcg.Next((uint)_documents.Length)].ToList();
        var bytesOnly = pcg.Next(8) == 0;
        for (var changes = bytesOnly ? 0 : pcg.Next(2) == 0 ? pcg.Next(3) : 1 + pcg.Next(4); changes > 0; changes--)
        {
            if (pcg.Next(2) == 0)
            {
                ReplaceValue(tokens, pcg);
            }
            else
            {
                Change(tokens, pcg);
            }
        }

        var text = string.Concat(tokens);
        var bytes = Encoding.Latin1.GetBytes(text.Length <= Longest ? text : text[..Longest]);
        bytes = bytesOnly || pcg.Next(12) == 0 ? Damage(bytes, pcg) : bytes;
        size = new Size((ulong)bytes.Length);
        return bytes;
    }

    // A string, number or word in place of another, so that the whole stays what the parser reads to its end.
    private void ReplaceValue(List<string> tokens, PCG pcg)
    {
        var document = _documents[pcg.Next((uint)_documents.Length)];
        var (at, from) = (Value(tokens, pcg), Value(document, pcg));
        if (at >= 0)
        {
            tokens[at] = pcg.Next(3) == 0 && from >= 0 ? document[from] : Values[pcg.Next((uint)Values.Length)];
        }
    }

    private static int Value(IReadOnlyList<string> tokens, PCG pcg)
    {
        for (var tries = 8; tries > 0 && tokens.Count > 0; tries--)
        {
            var at = (int)pcg.Next((uint)tokens.Count);
            if (tokens[at].Length > 0 && (tokens[at][0] == '"' || IsWord(tokens[at][0])))
            {
                return at;
            }
        }

        return -1;
    }

    private void Change(List<string> tokens, PCG pcg)
    {
        var (start, count) = Span(tokens, pcg);
        switch (pcg.Next(9))
        {
            case 0:
                tokens.RemoveRange(start, count);
                break;
            case 1:
                tokens.RemoveRange(start, count);
                tokens.Insert(start, Word(pcg));
                break;
            case 2:
                tokens.Insert(start, Word(pcg));
                break;
            case 3:
                var times = (int)pcg.Next(8) == 0 ? 1000 : 1 + (int)pcg.Next(4);
                tokens.InsertRange(start, Repeat(tokens.GetRange(start, count), times));
                break;
            case 4:
                var (other, length) = Span(tokens, pcg);
                var moved = tokens.GetRange(other, length);
                tokens.RemoveRange(start, count);
                tokens.InsertRange(start, moved);
                break;
            case 5:
                Nest(tokens, start, count, pcg);
                break;
            case 6:
                var document = _documents[pcg.Next((uint)_documents.Length)];
                var (from, taken) = Span([.. document], pcg);
                tokens.RemoveRange(start, count);
                tokens.InsertRange(start, document[from..(from + taken)]);
                break;
            case 7 when count > 0:
                tokens[start] = Encoding.Latin1.GetString(Damage(Encoding.Latin1.GetBytes(tokens[start]), pcg));
                break;
            default:
                tokens.Insert(start, new string((char)(32 + pcg.Next(96)), (int)pcg.Next(16) == 0 ? 40_000 : 1 + (int)pcg.Next(40)));
                break;
        }
    }

    private static void Nest(List<string> tokens, int start, int count, PCG pcg)
    {
        string[] pairs = ["[]", "{}", "()", "\"\"", "[[]]", "{\"a\":}", "(?:)", "{{}}", "(-)", "(not )", "{\"not\":}", "{\"items\":}"];
        var pair = pairs[pcg.Next((uint)pairs.Length)];
        var depths = new[] { 1, 3, 70, 300, 5000, 40_000 };
        var depth = Math.Min(depths[pcg.Next((uint)depths.Length)], Longest / pair.Length);
        var close = pair.Length == 2 || pair is "[[]]" or "{{}}" ? pair.Length / 2 : pair.Length - 1;
        tokens.Insert(start + count, string.Concat(Enumerable.Repeat(pair[close..], depth)));
        tokens.Insert(start, string.Concat(Enumerable.Repeat(pair[..close], depth)));
    }

    private static IEnumerable<string> Repeat(List<string> span, int times) =>
        Enumerable.Repeat(span, Math.Min(times, 1 + (Longest / Math.Max(1, span.Sum(token => token.Length))))).SelectMany(each => each);

    private string Word(PCG pcg)
    {
        var known = words.Count > 0 && pcg.Next(2) == 0;
        return known ? words[(int)pcg.Next((uint)words.Count)] : Hurtful[pcg.Next((uint)Hurtful.Length)];
    }

    /// <summary>A token, or from an opening bracket to what closes it.</summary>
    private static (int Start, int Count) Span(List<string> tokens, PCG pcg)
    {
        if (tokens.Count == 0)
        {
            return (0, 0);
        }

        var start = (int)pcg.Next((uint)tokens.Count);
        var depth = 0;
        for (var i = start; i < tokens.Count; i++)
        {
            depth += tokens[i] is "{" or "[" or "(" ? 1 : tokens[i] is "}" or "]" or ")" ? -1 : 0;
            if (depth <= 0)
            {
                return (start, i - start + 1);
            }
        }

        return (start, 1);
    }

    private static byte[] Damage(byte[] bytes, PCG pcg)
    {
        var damaged = bytes.ToList();
        for (var changes = 1 + pcg.Next(4); changes > 0; changes--)
        {
            var at = (int)pcg.Next((uint)damaged.Count + 1);
            switch (pcg.Next(5))
            {
                case 0 when at < damaged.Count:
                    damaged[at] ^= (byte)(1 << (int)pcg.Next(8));
                    break;
                case 1 when at < damaged.Count:
                    damaged[at] = (byte)pcg.Next(256);
                    break;
                case 2:
                    damaged.RemoveRange(at, Math.Min(damaged.Count - at, (int)pcg.Next(pcg.Next(2) == 0 ? 4u : 400u)));
                    break;
                case 3:
                    damaged.InsertRange(at, damaged.Take(at).TakeLast((int)pcg.Next(64)).ToArray());
                    break;
                default:
                    damaged.Insert(at, (byte)pcg.Next(256));
                    break;
            }
        }

        return [.. damaged];
    }

    /// <summary>Strings with their quotes, words and numbers, blanks, and every other character by itself.</summary>
    private static string[] Tokens(string text)
    {
        var tokens = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            var end = at + 1;
            if (text[at] == '"')
            {
                while (end < text.Length && text[end] != '"')
                {
                    end += text[end] == '\\' ? 2 : 1;
                }

                end = Math.Min(end + 1, text.Length);
            }
            else if (IsWord(text[at]))
            {
                for (; end < text.Length && IsWord(text[end]); end++)
                {
                }
            }

            tokens.Add(text[at..end]);
            at = end;
        }

        return [.. tokens];
    }

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-';
}
