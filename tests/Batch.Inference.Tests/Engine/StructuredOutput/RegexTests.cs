using System.Text.RegularExpressions;
using Batch.Inference.Engine.StructuredOutput;
using CsCheck;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

public class RegexTests
{
    private static readonly WordTokenizer Tokenizer = WordTokenizer.Complete();

    private static CompiledConstraint Compile(string regex) => Walks.Compile(new StructuredOutputParams { Regex = regex }, Tokenizer);

    [Theory]
    [InlineData("abc", new[] { "abc" }, new[] { "", "ab", "abcd", "xabc" })]
    [InlineData("^abc$", new[] { "abc" }, new[] { "abc\n" })]
    [InlineData("a|b|", new[] { "a", "b", "" }, new[] { "ab" })]
    [InlineData("a*?b+?c??", new[] { "b", "aab", "abbc" }, new[] { "a", "bcc" })]
    [InlineData("(ab){2,3}", new[] { "abab", "ababab" }, new[] { "ab", "abababab" })]
    [InlineData("x{0}y{1,}", new[] { "y", "yy" }, new[] { "xy", "" })]
    [InlineData("a{,2}", new[] { "a{,2}" }, new[] { "aa" })]
    [InlineData("[^a-c]", new[] { "d", "é", "你", "😀", "\n" }, new[] { "a", "dd" })]
    [InlineData("[a\\-z\\]]+", new[] { "a-z]" }, new[] { "b" })]
    [InlineData("[-a][a-]", new[] { "--", "a-" }, new[] { "b-" })]
    [InlineData("[一-龥]{2}", new[] { "你好" }, new[] { "你", "ab", "あい" })]
    [InlineData(".", new[] { "a", "你", "😀", "\u0085" }, new[] { "\n", "\r", "\u2028", "" })]
    [InlineData("\\d\\D", new[] { "1a", "1٣" }, new[] { "٣a", "11" })]
    [InlineData("\\w\\W", new[] { "_é" }, new[] { "éa", "ab" })]
    [InlineData("\\s\\S", new[] { " a", "\u3000\u200B" }, new[] { "a ", "  " })]
    [InlineData("\\p{Lu}\\P{Lu}", new[] { "Éé", "A你" }, new[] { "éÉ" })]
    [InlineData("\\u0041\\x42\\u{1F600}\\ud83d\\ude00\\t\\cJ\\0", new[] { "AB😀😀\t\n\0" }, new[] { "AB" })]
    [InlineData("(?:a(?<n>b))(?P<m>c)", new[] { "abc" }, new[] { "ab" })]
    [InlineData("\\.\\/\\{\\}\\-", new[] { "./{}-" }, new[] { "a/{}-" })]
    [InlineData("(a|aa)*b", new[] { "b", "aaab" }, new[] { "a" })]
    [InlineData("(a*)*|(b?)+", new[] { "", "aa", "bb" }, new[] { "ab" })]
    [InlineData("[\\u{10000}-\\u{10FFFF}]", new[] { "😀" }, new[] { "\uFFFD" })]
    public void Regex_TakesWhatMatchesAsAWhole(string regex, string[] taken, string[] refused)
    {
        var compiled = Compile(regex);
        Assert.All(taken, text => Assert.True(compiled.Takes(text), text));
        Assert.All(refused, text => Assert.False(compiled.Takes(text), text));
    }

    [Theory]
    [InlineData("(a)\\1", "backreference \\1 is not supported (character 4)")]
    [InlineData("\\k<n>", "backreference \\k is not supported (character 1)")]
    [InlineData("a(?=b)", "look-ahead is not supported (character 2)")]
    [InlineData("(?<!b)a", "look-behind is not supported (character 1)")]
    [InlineData("(?i)a", "this kind of group")]
    [InlineData("(?>a)", "this kind of group")]
    [InlineData("\\bword", "word boundary \\b is not supported")]
    [InlineData("a^b", "'^' is only allowed at the ends of the expression (character 2)")]
    [InlineData("(a$)", "'$' is only allowed at the ends of the expression (character 3)")]
    [InlineData("a$b", "'$'")]
    [InlineData("(a", "'(' is not closed (character 1)")]
    [InlineData("a)", "')' closes nothing (character 2)")]
    [InlineData("[a", "'[' is not closed (character 1)")]
    [InlineData("[z-a]", "'z-a' is no range")]
    [InlineData("[\\d-z]", "is no range")]
    [InlineData("[[:alpha:]]", "POSIX classes")]
    [InlineData("*a", "'*' repeats nothing (character 1)")]
    [InlineData("a**", "'*' after a quantifier")]
    [InlineData("a++", "'+' after a quantifier")]
    [InlineData("a{3,2}", "most, 2, is below its least, 3")]
    [InlineData("a{1,2", "{m,n}")]
    [InlineData("a{999999999999}", "at most 100000")]
    [InlineData("\\p{Han}", "\\p{Han} is not supported")]
    [InlineData("\\q", "the escape \\q is not supported")]
    [InlineData("\\x4", "2 hexadecimal digits")]
    [InlineData("\\ud83d", "half a surrogate pair")]
    [InlineData("a\\", "escapes nothing")]
    [InlineData("", "only the empty text")]
    [InlineData("a{0}", "only the empty text")]
    [InlineData("[^\\d\\D]", "no text meets it")]
    [InlineData("(((a{100}){100}){100}){100}", "too large")]
    [InlineData("(a|b)*a(a|b){40}", "too large")]
    [InlineData("((((a{0}){99999}){99999}){99999}){99999}", "too large")]
    [InlineData(".*x.{500}", "too large")]
    [InlineData("(\\p{L}{100}|\\p{N}{100}){100}", "too large")]
    public void Regex_IsRefusedByNameAndPlace_WhenNoAutomatonCanFollowIt(string regex, string says)
    {
        var error = Assert.Throws<ArgumentException>(() => Compile(regex));
        Assert.StartsWith("structured_outputs.regex: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    // Expressions that .NET reads alike, over a small alphabet. Loops over nothing are left out: .NET takes no empty text for (?:(?:(?:a)+|(?:(?:)*)*?)){1,}.
    private static readonly Gen<string> Expressions = Gen.Recursive<string>((depth, expression) => depth > 4
        ? Walks.OneOf("a", "b", "1", "é", "你", "😀", ".", "[ab]", "[^a]", "[0-9你]", "\\.", "\\n")
        : Gen.OneOf(
            Walks.OneOf("a", "b", "1", "é", "你", "[ab]", "[^a1]", "[0-9你]", ""),
            Gen.Select(expression, expression, (a, b) => a + b),
            Gen.Select(expression, expression, (a, b) => $"(?:{a}|{b})"),
            Gen.Select(expression, Walks.OneOf("*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "??"), (a, q) => $"(?:{a}){q}")))
        .Where(expression => !expression.Contains("(?:)", StringComparison.Ordinal));

    private static bool Matches(string regex, string text) => Regex.IsMatch(text, $"^(?:{regex})\\z".Replace("[^a1]", "(?:[^a1\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff])", StringComparison.Ordinal)
        .Replace("[^a]", "(?:[^a\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff])", StringComparison.Ordinal).Replace(".", "(?:[^\\n\\r\\u2028\\u2029\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff])", StringComparison.Ordinal)
        .Replace("\\(?:[^\\n\\r\\u2028\\u2029\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff])", "\\.", StringComparison.Ordinal), RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);

    [Fact]
    public void Regex_AgreesWithDotNet_OnRandomExpressionsAndTexts() => Gen.Select(Expressions, Walks.OneOf("a", "b", "1", "é", "你", "😀", ".", "\n").Array[0, 6]).Sample((regex, parts) =>
    {
        var text = string.Concat(parts);
        bool taken;
        try
        {
            taken = Compile(regex).Takes(text);
        }
        catch (ArgumentException e) when (e.Message.EndsWith("only the empty text meets it (Parameter 'structured_outputs')", StringComparison.Ordinal))
        {
            taken = text.Length == 0;
        }
        Assert.Equal(Matches(regex, text), taken);
    }, iter: 1000);

    [Fact]
    public void Walk_AlwaysMatches_WhicheverTokensAreDrawn() => Gen.Select(Expressions, Gen.Enum<Taste>(), Gen.Int).Sample((regex, taste, seed) =>
    {
        CompiledConstraint compiled;
        try
        {
            compiled = Compile(regex);
        }
        catch (ArgumentException e) when (e.Message.Contains("empty text", StringComparison.Ordinal))
        {
            return;
        }
        if (compiled.Walk(Tokenizer, taste, seed, most: 200, hurry: 20) is { } text)
        {
            Assert.True(Matches(regex, text), $"{regex} against {text}");
        }
    }, iter: 500);

    [Fact]
    public void Regex_NeverCrashesOrHangs_OnAnyText() =>
        Gen.OneOf(Gen.String, Walks.OneOf("(", ")", "[", "]", "{", "}", "?", "*", "+", "|", "^", "$", "\\", "a", "1", ",", "-", ":", "=", "!", "<", ">", "P", "u", "x", "p", "d", "99999", "{9}", ".").Array[0, 14].Select(string.Concat)).Sample(regex =>
        {
            try
            {
                Compile(regex);
            }
            catch (ArgumentException e)
            {
                Assert.StartsWith("structured_outputs.regex: ", e.Message, StringComparison.Ordinal);
            }
        }, iter: 2000);

    [Fact]
    public void Mask_LeavesExactlyTheTokensThatMayFollow()
    {
        foreach (var regex in (string[])["[^\"\\\\\\x00-\\x1f]*", "[^\"]{0,20}\"", "(你好|a1*)+", "\"([^\"\\\\]|\\\\.)*\"", ".{3,18}"])
        {
            var compiled = Compile(regex);
            var state = compiled.Start;
            var random = new Random(3);
            for (var i = 0; i < 30; i++)
            {
                var mask = compiled.MaskOf(state, stripsSpace: false);
                var followers = Enumerable.Range(0, Tokenizer.EndOfText).ToDictionary(id => id, id => compiled.Follow(state, Tokenizer.GetBytes(id)));
                Assert.All(followers, follower => Assert.Equal(follower.Value is not null, mask.Allows(follower.Key)));
                Assert.Equal(state.Accepts, mask.Allows(Tokenizer.EndOfText));
                Assert.Equal(followers.Count(f => f.Value is not null) + (state.Accepts ? 1 : 0), mask.Count);
                var open = followers.Values.OfType<AutomatonState>().ToList();
                if (open.Count == 0)
                {
                    break;
                }
                state = open[random.Next(open.Count)];
            }
        }
    }
}
