using System.Text;
using Batch.Inference.Engine;
using Batch.Inference.Engine.Interventions;
using Batch.Inference.Engine.StructuredOutput;
using Batch.Inference.Tokenizers;
using Batch.Inference.Tokenizers.Chat;

namespace Batch.Benchmarks.Fuzz;

/// <summary>The languages that a request or a model folder may hold: expressions, schemas, chat templates; and stop strings.</summary>
internal static class TextTargets
{
    private static readonly string[] Expressions =
    [
        "[a-z]{1,5}(x|y)*", "\\d{3}-\\d{4}", "(?:ab|cd)+?e?", "[^\\n\"]{0,200}", "\\p{L}+(\\s\\w+){2,}", "(a|b|c){1,20}", "^abc$", "\\u00e9|\\x41|[\\u4e00-\\u9fff]", "((a{1,9}){1,9}){1,9}", ".*x.*", "(?<year>\\d+)\\.", "[[:alpha:]]",
    ];

    private static readonly string[] ExpressionWords =
    [
        "{0,100000}", "{1,99999}", "{99,1}", "(?=a)", "(?<!a)", "\\1", "\\b", "\\p{Lu}", "\\P{Han}", "[^]", "[]", "[z-a]", "\\c", "\\u{10FFFF}", "(?:", "(?<n>", "|||", "**", "++", "(((((", ".{1000}", "(.*)*", "(a*)*", "[\\s\\S]*", "\\d{1,300}",
    ];

    private static readonly string[] Schemas =
    [
        """{"type":"object","properties":{"a":{"type":"string","minLength":1,"maxLength":20,"pattern":"^[a-z]+$"},"b":{"type":"integer","minimum":0,"maximum":99}},"required":["a"],"additionalProperties":false}""",
        """{"type":"array","items":{"anyOf":[{"type":"null"},{"const":"x"},{"enum":[1,"y",true]}]},"minItems":1,"maxItems":5}""",
        """{"$defs":{"node":{"type":"object","properties":{"v":{"type":"number"},"next":{"$ref":"#/$defs/node"}}}},"$ref":"#/$defs/node"}""",
        """{"allOf":[{"type":"object","properties":{"a":{"type":"string","format":"date-time"}}},{"required":["a"]}],"oneOf":[{"type":"object"},{"type":"string"}]}""",
        """{"type":["string","null"],"enum":["a",null]}""",
        """{"type":"object","patternProperties":{"^x":{"type":"boolean"}},"propertyNames":{"maxLength":3},"minProperties":1,"maxProperties":3}""",
        """{"type":"number","exclusiveMinimum":-1.5,"exclusiveMaximum":1e5,"multipleOf":0.5}""",
        """{"prefixItems":[{"type":"string"},{"type":"integer"}],"items":false,"type":"array"}""",
    ];

    private static readonly string[] SchemaWords =
    [
        "\"$ref\":\"#\"", "\"$ref\":\"#/$defs/node\"", "\"$ref\":\"#/a/../b\"", "\"anyOf\":", "\"allOf\":", "\"oneOf\":", "\"not\":{}", "\"items\":", "\"properties\":", "\"maxLength\":100000", "\"minItems\":100000", "\"maxItems\":99999", "\"pattern\":\"(a{1,99}){1,99}\"",
        "\"enum\":[]", "\"type\":\"integer\"", "\"minimum\":-1e300", "\"required\":[\"q\"]", "\"additionalProperties\":true", "\"format\":\"uuid\"", "\"const\":{\"a\":[1]}", "\"multipleOf\":1e-300", "\"definitions\":", "\"if\":{}",
    ];

    private static readonly string[] ChatTemplates =
    [
        "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{{ message.content | trim }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
        "{{ bos_token }}{% set ns = namespace(found=false) %}{% for m in messages[1:] %}{% if loop.first and not ns.found %}{% set ns.found = true %}{{ m.content.split('x')[-1] | upper }}{% endif %}{% endfor %}",
        "{%- macro show(x, y=1) -%}{{ x ~ y }}{%- endmacro -%}{{ show('a') }}{% if tools is not none %}{{ tools | tojson }}{% endif %}{{ messages | map(attribute='role') | list | join(', ') }}",
        "{% if messages[0]['role'] != 'user' %}{{ raise_exception('no') }}{% endif %}{% for i in range(0, 10, 3) %}{{ i * 2 // 3 % 5 }}{% else %}none{% endfor %}{# comment #}{{ messages | length }}{{ 'a' in 'abc' and 1 < 2 <= 3 }}",
        "{% set x %}captured{% endset %}{{ x | replace('c', 'd') }}{{ {'a': 1, 'b': [1, 2]} | tojson(indent=2) }}{{ messages | selectattr('role', 'equalto', 'user') | first }}{{ x is defined }}{{ messages[0] | items }}",
    ];

    private static readonly string[] ChatWords =
    [
        "{%", "%}", "{{", "}}", "{#", "#}", "{%-", "-%}", "endfor", "endif", "endmacro", "for m in messages", "range(100000)", "range(1, 1000000000, 1)", "* 1000000", "'a' * 100000000", "| join", "| tojson", "| replace('', 'xx')", "['a'] * 99999", "ns.x", "**", "1e400", "9223372036854775807 + 1",
        "recursive", "loop(", "loop.index", "raise_exception(", "namespace(", "dict(", "[1:2:-1]", "[::0]", ".split('')", ".format(", "strftime_now('%Y')", "generation", "is defined", "not", "if", "else", "~", "\\'", "{% raw %}", "(((", "[[[", "1 // 0", "1 % 0", "-9223372036854775808 // -1", "2 ** 100000",
    ];

    private static readonly ChatMessage[] Conversation = [new("system", "Be brief, x."), new("user", "Write {{ 7 }} <|eos|>."), new("assistant", "No."), new("user", "Please.")];

    public static IEnumerable<FuzzTarget> All =>
    [
        FuzzTarget.Of("regex", Expressions, ExpressionWords, input => Constrains(new StructuredOutputParams { Regex = Encoding.UTF8.GetString(input) }), 5),
        FuzzTarget.Of("json-schema", Schemas, SchemaWords, input => Constrains(new StructuredOutputParams { JsonSchema = Encoding.UTF8.GetString(input) })),
        FuzzTarget.Of("choice", ["yes\nno\nperhaps", "a\nab\nabc", "好\n不好"], ["\n", "\ud83d\ude00"], input => Constrains(new StructuredOutputParams { Choice = Encoding.UTF8.GetString(input).Split('\n') }), 4),
        FuzzTarget.Of("intervention-regex", Expressions, ExpressionWords, input => FuzzTarget.Takes(
            () => InterventionChecks.Compile(Encoding.UTF8.GetString(input), "interventions[0].when.regex").IsMatch(Subject), typeof(ArgumentException), typeof(System.Text.RegularExpressions.RegexMatchTimeoutException)), 5),
        FuzzTarget.Of("chat-template", ChatTemplates, ChatWords, input => FuzzTarget.Takes(
            () => ChatTemplate.Parse(Encoding.UTF8.GetString(input)).Render(Conversation, true, "<s>", "</s>"), typeof(InvalidDataException), typeof(ArgumentException)), 20),
        FuzzTarget.Of("stop", ["END\n\n\nthe text up to the END of it", "aab\nab\naaabaab", "好吗\n你好吗", "\ufffd\nx\ufffdy"], ["\n", "END", "a", "\xc3", "\xa9"], StopsWhereItShould),
    ];

    private static string Subject { get; } = string.Concat(Enumerable.Repeat("aaaaaaaaaaaaaaaaaaaab abc 123 x\n", 64));

    private static bool Constrains(StructuredOutputParams constraint) => FuzzTarget.Takes(() => constraint.Validate(), typeof(ArgumentException));

    // The first lines are stop strings, the last is the text, token by token a byte. What comes out holds no stop string and is what the text begins with.
    private static bool StopsWhereItShould(byte[] input)
    {
        var parts = Encoding.UTF8.GetString(input).Split('\n');
        string[] stops = [.. parts[..^1].Where(stop => stop.Length is > 0 and <= 1000).Take(16)];
        var bytes = Encoding.UTF8.GetBytes(parts[^1]);
        var stream = new TextStream(new OneTokenPerByte(), stops);
        var (text, stopped) = (new StringBuilder(), default(string));
        foreach (var b in bytes.TakeWhile(_ => stopped is null))
        {
            text.Append(stream.Append(b, mayStop: true, out stopped));
        }

        text.Append(stopped is null ? stream.Flush() : "");
        var (seen, whole) = (text.ToString(), Encoding.UTF8.GetString(bytes));
        return !whole.StartsWith(seen, StringComparison.Ordinal) || stops.Any(stop => seen.Contains(stop, StringComparison.Ordinal)) || (stopped is null && seen != whole)
            ? throw new InvalidOperationException($"of '{whole}' came '{seen}', stopped by '{stopped}'")
            : stopped is not null;
    }

    private sealed class OneTokenPerByte : HfTokenizer
    {
        private static readonly byte[] Bytes = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];

        public override int VocabularySize => 256;

        public override ReadOnlySpan<byte> GetBytes(int id) => Bytes.AsSpan(id, 1);

        public override bool IsSpecial(int id) => false;
    }
}
