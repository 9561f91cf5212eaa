using Batch.Inference.Tokenizers;
using Batch.Inference.Tokenizers.Chat;

namespace Batch.Inference.Tests.Tokenizers.Chat;

/// <summary>Pieces of the language; what they give is what Jinja 3.1 gave with transformers' settings.</summary>
public sealed class JinjaLanguageTests
{
    private static readonly ChatMessage[] Hello = [new("user", "Hi there")];

    [Theory]
    [InlineData("{{ 1 + 2 * 3 }}", "7")]
    [InlineData("{{ 7 // 2 }}", "3")]
    [InlineData("{{ -7 // 2 }}", "-4")]
    [InlineData("{{ -7 % 3 }}", "2")]
    [InlineData("{{ 7 / 2 }}", "3.5")]
    [InlineData("{{ 2 ** 3 }}", "8")]
    [InlineData("{{ 1.5 + 1 }}", "2.5")]
    [InlineData("{{ 4 / 2 }}", "2.0")]
    [InlineData("{{ 'a' ~ 1 ~ none ~ true }}", "a1NoneTrue")]
    [InlineData("{{ [1,'a',none,true,1.0] }}", "[1, 'a', None, True, 1.0]")]
    [InlineData("{{ {'a': [1]} }}", "{'a': [1]}")]
    [InlineData("{{ (1,) | list }}", "[1]")]
    [InlineData(
        "{% for i in range(5) %}{{ loop.index }}/{{ loop.revindex0 }}{% if not loop.last %}, {% endif %}{% endfor %}",
        "1/4, 2/3, 3/2, 4/1, 5/0")]
    [InlineData("{% for i in [] %}x{% else %}empty{% endfor %}", "empty")]
    [InlineData("{% for i in [1,2,3,4] if i is odd %}{{ i }}:{{ loop.length }} {% endfor %}", "1:2 3:2 ")]
    [InlineData("{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "231")]
    [InlineData(
        "{% set ns = namespace(x=0, y='a') %}{% for i in [1,2,3] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.z is defined }}",
        "6aFalse")]
    [InlineData(
        "{% macro m(a, b='B', c=none) %}<{{ a }}{{ b }}{{ c }}>{% endmacro %}{{ m(1) }}{{ m(1, c=2) }}{{ m(1, 2, 3) }}",
        "<1BNone><1B2><123>")]
    [InlineData("{% set x %}block {{ 1 }}{% endset %}[{{ x }}]{{ x | upper }}", "[block 1]BLOCK 1")]
    [InlineData("{{ 'abcdef'[1:3] }}", "bc")]
    [InlineData("{{ 'abcdef'[::-1] }}", "fedcba")]
    [InlineData("{{ [1,2,3,4][-2:] }}", "[3, 4]")]
    [InlineData("{{ [1,2,3][::2] }}", "[1, 3]")]
    [InlineData("{{ 'abc'[5:] }}", "")]
    [InlineData("{{ [1,2,3][:-1] }}", "[1, 2]")]
    [InlineData("{{ [1,2,3,4,5][4:0:-2] }}", "[5, 3]")]
    [InlineData("{{ [1,2,3][-10:2] }}", "[1, 2]")]
    [InlineData("{{ 'a b  c'.split() }}", "['a', 'b', 'c']")]
    [InlineData("{{ 'a,b,c'.split(',', 1) }}", "['a', 'b,c']")]
    [InlineData("{{ 'a,b,c'.rsplit(',', 1) }}", "['a,b', 'c']")]
    [InlineData("{{ 'abc'.replace('b','X') }}", "aXc")]
    [InlineData("{{ 'aaa'.replace('a','b',2) }}", "bba")]
    [InlineData("{{ '  x '.strip() }}", "x")]
    [InlineData("{{ 'xxaxx'.strip('x') }}", "a")]
    [InlineData("{{ 'xxaxx'.lstrip('x') }}", "axx")]
    [InlineData("{{ 'hello world'.title() }}", "Hello World")]
    [InlineData("{{ 'hELLO'.capitalize() }}", "Hello")]
    [InlineData("{{ 'ab'.startswith('a') }}", "True")]
    [InlineData("{{ 'ab'.endswith(('b','c')) }}", "True")]
    [InlineData(
        "{{ {'a':1,'b':[1,2,{'c':none}],'d':'é\"\\n<>&'} | tojson }}",
        "{\"a\": 1, \"b\": [1, 2, {\"c\": null}], \"d\": \"é\\\"\\n<>&\"}")]
    [InlineData(
        "{{ {'a':1,'b':[1,2,{'c':none}],'e':[],'f':{}} | tojson(indent=2) }}",
        "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    2,\n    {\n      \"c\": null\n    }\n  ],\n  \"e\": [],\n  \"f\": {}\n}")]
    [InlineData("{{ x is defined }}", "False")]
    [InlineData("{{ x is not defined }}", "True")]
    [InlineData("{{ x }}", "")]
    [InlineData("{{ x | default('d') }}", "d")]
    [InlineData("{{ '' | default('e', true) }}", "e")]
    [InlineData("{{ none is none }}", "True")]
    [InlineData("{{ 'a' is string }}", "True")]
    [InlineData("{{ {} is mapping }}", "True")]
    [InlineData("{{ [] is iterable }}", "True")]
    [InlineData("{{ 1 is number }}", "True")]
    [InlineData("{{ 3 is divisibleby 3 }}", "True")]
    [InlineData("{{ 'a' in 'cat' }}", "True")]
    [InlineData("{{ 'x' not in ['a'] }}", "True")]
    [InlineData("{{ 'k' in {'k':1} }}", "True")]
    [InlineData("{{ 1 in [1] and not false or x }}", "True")]
    [InlineData("{{ 1 < 2 < 3 }}", "True")]
    [InlineData("{{ 1 < 2 > 3 }}", "False")]
    [InlineData("{{ 1 == 1.0 }}", "True")]
    [InlineData("{{ true == 1 }}", "True")]
    [InlineData("{{ 'yes' if 1 else 'no' }}", "yes")]
    [InlineData("{{ 'yes' if 0 }}", "")]
    [InlineData("{{ ('a' if false else 'b') ~ 'c' }}", "bc")]
    [InlineData("{{ 'a' 'b' }}", "ab")]
    [InlineData("{{ [3,1] | join(', ') }}", "3, 1")]
    [InlineData("{{ [{'a':1},{'a':2}] | map(attribute='a') | join('-') }}", "1-2")]
    [InlineData("{{ [{'r':'u','n':1},{'r':'s','n':2}] | selectattr('r','equalto','u') | list }}", "[{'r': 'u', 'n': 1}]")]
    [InlineData("{{ [{'r':'u'},{'r':'s'}] | rejectattr('r','eq','u') | list | length }}", "1")]
    [InlineData("{{ ['a','b'] | map('upper') | list }}", "['A', 'B']")]
    [InlineData("{{ [1,2,3] | first }}", "1")]
    [InlineData("{{ [1,2,3] | last }}", "3")]
    [InlineData("{{ [1,2] | reverse | list }}", "[2, 1]")]
    [InlineData("{{ 'abc' | length }}", "3")]
    [InlineData("{{ '12' | int + 1 }}", "13")]
    [InlineData("{{ 'x' | int }}", "0")]
    [InlineData("{{ 3.7 | int }}", "3")]
    [InlineData("{{ '1.5' | float }}", "1.5")]
    [InlineData("{{ -3 | abs }}", "3")]
    [InlineData("{{ 12 | string ~ 'a' }}", "12a")]
    [InlineData("  {% if true %}\n  a\n  {% endif %}\n  b\n", "  a\n  b")]
    [InlineData("a\n  {%- if true -%}\n  b\n  {%- endif -%}\n  c", "abc")]
    [InlineData("a\n    {%+ if true %}x{% endif +%}\n  {# comment #}\nb  {{- ' c ' -}}  d\n\n", "a\n    x\nb c d\n")]
    [InlineData("{% for a, b in {'x': 1, 'y': 2} | items %}{{ a }}={{ b }};{% endfor %}", "x=1;y=2;")]
    [InlineData("{% for k, v in {'x': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "x1")]
    [InlineData(
        "{% for i in [1,2,3,4] %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "13")]
    [InlineData(
        "{{ {'content': 'c'}.content }}{{ {'content': 'c'}['content'] }}{{ {'a': 1}.get('b', 5) }}{{ {'a':{'b':[7]}}.a.b[0] }}",
        "cc57")]
    [InlineData("{{ \"it's\" }}", "it's")]
    [InlineData("{{ 'tab\\tnl\\n\\\\ \\u4e2d \\x41 \\q' }}", "tab\tnl\n\\ 中 A \\q")]
    [InlineData("{{ 'a\nb' | indent(2) }}", "a\n  b")]
    [InlineData("{{ 'a\nb' | indent(2, first=true) }}", "  a\n  b")]
    [InlineData("{{ ' a ' | trim }}", "a")]
    [InlineData("{{ 'x--' | trim('-') }}", "x")]
    [InlineData("[{{ '\u001c\u001f\u0085\u3000x\ufeff\u001d' | trim }}]", "[x\ufeff]")]
    [InlineData("{{ 'a\u001eb  c d '.split() }}{{ ' a b  c '.split(none, 1) }}", "['a', 'b', 'c', 'd']['a', 'b  c ']")]
    [InlineData("{{ 'ab' | replace('a','c') }}", "cb")]
    [InlineData(
        "{% set a, b = 1, 2 %}{{ a + b }}{% set t = ('x', 'y') %}{{ t[1] }}{{ not true }}{{ not not 1 }}{{ - 1 + 2 }}{{ (1 + 2) * 3 }}",
        "3yFalseTrue19")]
    [InlineData(
        "{%- set m = [1] + [2] -%}{{ m }}{{ m == [1,2] }}{{ [1,2] | length > 1 }}{{ 'b' > 'a' }}{{ messages is defined }}{{ bos_token }}{{ 1 if messages else 2 }}",
        "[1, 2]TrueTrueTrueTrue<s>1")]
    [InlineData("{% if false %}a{% elif 1 %}b{% else %}c{% endif %}{% if false %}a{% elif 0 %}b{% else %}c{% endif %}", "bc")]
    [InlineData(
        "{{ loop is defined }}{% for i in [1,2] %}{% for j in [1] %}{{ loop.index }}{% endfor %}{{ loop.index }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('o','e') }}{% endfor %}",
        "False112o121e")]
    public void Render_GivesWhatJinjaGives(string template, string text) =>
        Assert.Equal(text, ChatTemplate.Render(template, Hello, addGenerationPrompt: true, "<s>", "</s>"));

    [Fact]
    public void Render_ReadsWindowsLineEndsAsNewlines() =>
        Assert.Equal("a\nb", ChatTemplate.Render("a\r\n{% if true %}\r\nb{% endif %}\r\n", Hello, false, null, null));

    [Theory]
    [InlineData("a\nb\n{{ thing.attribute }}", "line 3: 'thing' is undefined")]
    [InlineData("{{ 1 + 'a' }}", "line 1: cannot apply '+' to a number and a string")]
    [InlineData("{% if x %}", "line 1: wanted elif or else or endif, saw the end of the template")]
    [InlineData("{{ 'a' | frobnicate }}", "line 1: filter 'frobnicate' is not supported")]
    [InlineData("{{ 1 is frobnicable }}", "line 1: test 'frobnicable' is not supported")]
    [InlineData("\n{% frobnicate %}", "line 2: statement 'frobnicate' is not supported")]
    [InlineData("{{ }}", "line 1: wanted a value, saw '}}'")]
    [InlineData("{{ 'a }}", "line 1: string without end")]
    [InlineData("{{ 1 ", "line 1: tag without end")]
    [InlineData("{# a", "line 1: comment without end")]
    [InlineData("{% for x in 5 %}{% endfor %}", "line 1: cannot iterate over a number")]
    [InlineData("{{ 5() }}", "line 1: cannot call a number")]
    [InlineData("{{ 1 // 0 }}", "line 1: division by zero")]
    [InlineData("{% for i in [1] %}{{ loop.cycle() }}{% endfor %}", "line 1: loop.cycle wants at least one value")]
    [InlineData("a\n{{ strftime_now('%Y') }}", "line 2: strftime_now, the date of the day, is not given")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "line 1: macro 'm' calls itself")]
    public void Render_NamesTheLine_WhenTheTemplateIsWrong(string template, string message)
    {
        var error = Assert.Throws<InvalidDataException>(() => ChatTemplate.Render(template, Hello, true, null, null));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Render_GivesTheTemplatesOwnWords_WhenItRefusesTheMessages()
    {
        var error = Assert.Throws<ArgumentException>(() => ChatTemplate.Render("{{ raise_exception('no way') }}", Hello, true, null, null));

        Assert.Contains("no way", error.Message, StringComparison.Ordinal);
    }
}
