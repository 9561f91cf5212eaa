using Batch.Inference.Tokenizers;
using Batch.Inference.Tokenizers.Chat;

namespace Batch.Inference.Tests.Tokenizers.Chat;

/// <summary>A template that would take forever, or all memory, or the stack, ends with an error that names the line.</summary>
public sealed class JinjaBudgetTests
{
    private const string Thousands = "{% for a in range(100000) %}";
    private const string Doubling = "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = DOUBLE %}{% endfor %}";

    [Theory]
    [InlineData(Thousands + "\n" + Thousands + "{% endfor %}{% endfor %}", "line 2: rendering takes more than 2,000,000 steps")]
    [InlineData(Thousands + "{{ messages[0].content * 1000 }}{% endfor %}", "a text of more than 4,194,304 characters")]
    [InlineData(Thousands + "0123456789012345678901234567890123456789012345678901234567890{% endfor %}", "a text of more than 4,194,304 characters")]
    [InlineData("{{ 'ab' * 9223372036854775807 }}", "line 1: a text of more than 4,194,304 characters")]
    [InlineData("{% set x = 'a' * 4000000 %}{{ x | replace('a', x) }}", "a text of more than 4,194,304 characters")]
    [InlineData("{% set x = 'a' * 4000000 %}{{ x.replace('', x) }}{{ [x, x] | join }}", "a text of more than 4,194,304 characters")]
    [InlineData("{% set x = '\n' * 4000000 %}{{ x | indent(1000, blank=true) }}", "a text of more than 4,194,304 characters")]
    [InlineData("{% set x = 'a' * 4000000 %}" + Thousands + "{% set y = x | upper %}{% endfor %}", "rendering takes more than 2,000,000 steps")]
    [InlineData("{% set x = 'a' * 4000000 %}{% set l = [] %}{{ range(100000) | map('replace', 0, x) | list | length }}", "wants a string")]
    public void Render_EndsSoon(string template, string message) => Refuses(template, message);

    [Theory]
    [InlineData("n.x + n.x", "", "a text of more than 4,194,304 characters")]
    [InlineData("n.x ~ n.x", "", "a text of more than 4,194,304 characters")]
    [InlineData("[n.x, n.x]", "{{ n.x }}", "a text of more than 4,194,304 characters")]
    [InlineData("[n.x, n.x]", "{{ n.x | tojson }}", "a text of more than 4,194,304 characters")]
    [InlineData("{'a': n.x, 'b': n.x}", "{{ n.x | string }}", "a text of more than 4,194,304 characters")]
    [InlineData("[n.x, n.x]", "{{ n.x == n.x[0] ~ '' }}", "a text of more than 4,194,304 characters")]
    public void Render_EndsSoon_WhereAValueDoubles(string doubled, string use, string message) =>
        Refuses(Doubling.Replace("DOUBLE", doubled, StringComparison.Ordinal) + use, message);

    [Theory]
    [InlineData("{{ n.x }}")]
    [InlineData("{{ n.x | tojson }}")]
    [InlineData("{{ n.x == n.y }}")]
    public void Render_Ends_WhereListsNestDeep(string use) => Refuses(
        "{% set n = namespace(x=[], y=[]) %}{% for a in range(10000) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}" + use, "more than 100 deep");

    [Fact]
    public void Render_EndsSoon_WhereDoublingListsAreCompared() => Refuses(
        "{% set n = namespace(x=[], y=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
        "more than 2,000,000 steps");

    [Fact]
    public void Render_WritesLongConversations()
    {
        var messages = Enumerable.Range(0, 5000).Select(i => new ChatMessage(i % 2 == 0 ? "user" : "assistant", new string('字', 500))).ToList();

        var text = ChatTemplate.Render(
            "{% for m in messages %}{{ '<' ~ m.role ~ '>' + m['content'] | trim + '\n' }}{% endfor %}", messages, true, null, null);

        Assert.Equal(messages.Sum(message => message.Role.Length + 503), text.Length);
    }

    private static void Refuses(string template, string message)
    {
        var error = Assert.Throws<InvalidDataException>(() => ChatTemplate.Render(template, [new("user", "Hello")], true, null, null));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-", "1")]
    [InlineData("+", "1")]
    [InlineData("2**", "1")]
    [InlineData("not ", "1")]
    [InlineData("1+", "1")]
    [InlineData("'a'~", "'a'")]
    [InlineData("true and ", "true")]
    [InlineData("(", "1")]
    [InlineData("[", "1")]
    public void Expression_IsRefused_WhenItWouldOverflowTheStack(string part, string last)
    {
        var template = $"{{{{ {string.Concat(Enumerable.Repeat(part, 40_000))}{last} }}}}";
        Exception? error = null;
        var thread = new Thread(() => error = Record.Exception(() => ChatTemplate.Render(template, [new ChatMessage("user", "x")], true, null, null)), maxStackSize: 1 << 20);
        thread.Start();
        thread.Join();

        Assert.IsType<InvalidDataException>(error);
    }
}
