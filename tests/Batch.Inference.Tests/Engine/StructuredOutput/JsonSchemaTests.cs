using System.Text.Json;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

public class JsonSchemaTests
{
    private static readonly WordTokenizer Tokenizer = WordTokenizer.Complete();

    private static CompiledConstraint Compile(string schema) => Walks.Compile(new StructuredOutputParams { JsonSchema = schema }, Tokenizer);

    [Theory]
    [InlineData("true", new[] { "1", "\"a\"", "{}", "[]", "{\"a\": [1, {\"b\":null}]}", "[\n  1,\n  2\n]" }, new[] { "", " 1", "1 ", "01", "{a:1}", "[1,]", "nul", "{\"a\"1}", "[  1]" })]
    [InlineData("""{"type":"string"}""", new[] { "\"\"", "\"你好 😀\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"" }, new[] { "\"", "\"\"\"", "\"\n\"", "\"\\x\"", "\"\\ud800\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "1" })]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", new[] { "\"ab\"", "\"你好😀\"", "\"\\n\\u0041\"" }, new[] { "\"a\"", "\"abcd\"", "\"\\n\"" })]
    [InlineData("""{"type":"string","minLength":2}""", new[] { "\"ab\"", "\"abcdefgh\"" }, new[] { "\"a\"" })]
    [InlineData("""{"type":"string","pattern":"b+"}""", new[] { "\"b\"", "\"abba\"", "\"\\n\\\"b\"" }, new[] { "\"\"", "\"a\"", "\"\\u0062\"" })]
    [InlineData("""{"type":"string","pattern":"^a|c$"}""", new[] { "\"ab\"", "\"bc\"", "\"a\"" }, new[] { "\"b\"", "\"ca\"" })]
    [InlineData("""{"type":"string","pattern":"^[^x]+$","maxLength":2}""", new[] { "\"a\"", "\"\\\"\\\\\"", "\"你\"" }, new[] { "\"\"", "\"x\"", "\"abc\"", "\"\"\"" })]
    [InlineData("""{"type":"integer"}""", new[] { "0", "-1", "999999999999999999" }, new[] { "-0", "00", "1.0", "1e2", "+1", "-", "1000000000000000000" })]
    [InlineData("""{"type":"integer","minimum":-12,"maximum":105}""", new[] { "-12", "-9", "-1", "0", "9", "10", "99", "100", "105" }, new[] { "-13", "-20", "106", "110", "200", "1000", "-0" })]
    [InlineData("""{"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":6}""", new[] { "4", "5" }, new[] { "3", "6" })]
    [InlineData("""{"type":"integer","minimum":1.5,"maximum":3.5}""", new[] { "2", "3" }, new[] { "1", "4" })]
    [InlineData("""{"type":"integer","multipleOf":7,"minimum":-20}""", new[] { "0", "7", "-14", "700" }, new[] { "1", "-21", "8", "07" })]
    [InlineData("""{"type":"number"}""", new[] { "0", "-0.5", "1e5", "1.25E-10", "10" }, new[] { ".5", "1.", "1e", "01", "NaN", "Infinity" })]
    [InlineData("""{"type":"number","minimum":-1.5,"maximum":2.25}""", new[] { "-1.5", "-1.50", "-1", "-0.001", "0", "1.999999", "2", "2.25", "2.2" }, new[] { "-1.51", "-2", "2.26", "2.251", "3", "1e0" })]
    [InlineData("""{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}""", new[] { "0.1", "0.000001", "0.9", "0.99" }, new[] { "0", "0.0", "1", "1.0", "-0.1" })]
    [InlineData("""{"type":"number","minimum":0,"multipleOf":0.01}""", new[] { "0", "1.5", "19.99" }, new[] { "0.001", "-1" })]
    [InlineData("""{"type":["string","null"]}""", new[] { "null", "\"a\"" }, new[] { "1", "true" })]
    [InlineData("""{"type":"boolean"}""", new[] { "true", "false" }, new[] { "null", "True" })]
    [InlineData("""{"enum":["a",1,null,[1,2],{"x":1.50}]}""", new[] { "\"a\"", "1", "null", "[1,2]", "[1, 2]", "{\"x\": 1.50}" }, new[] { "\"b\"", "2", "[1]", "{}" })]
    [InlineData("""{"type":"string","enum":["a",1,"\"é"]}""", new[] { "\"a\"", "\"\\\"é\"" }, new[] { "1" })]
    [InlineData("""{"const":"x"}""", new[] { "\"x\"" }, new[] { "x" })]
    [InlineData("""{"type":"array","items":{"type":"integer"}}""", new[] { "[]", "[1]", "[1,2, 3]", "[\n 1,\n 2\n]" }, new[] { "[\"a\"]", "[1,]", "[,1]", "[1" })]
    [InlineData("""{"type":"array","items":{"type":"null"},"minItems":1,"maxItems":2}""", new[] { "[null]", "[null,null]" }, new[] { "[]", "[null,null,null]" })]
    [InlineData("""{"type":"array","items":{"type":"null"},"maxItems":0}""", new[] { "[]" }, new[] { "[null]" })]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}]}""", new[] { "[]", "[1]", "[1,\"a\"]" }, new[] { "[\"a\"]", "[1,\"a\",2]" })]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"},"minItems":2}""", new[] { "[1,null]", "[1,null,null]" }, new[] { "[1]", "[1,2]" })]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"},"c":{}},"required":["b"]}""", new[] { "{\"b\":null}", "{\"a\":1,\"b\":null}", "{\"a\": 1, \"b\": null, \"c\": [1]}", "{\n  \"b\": null\n}" }, new[] { "{}", "{\"a\":1}", "{\"b\":null,\"a\":1}", "{\"b\":null,}", "{\"b\":null,\"d\":1}", "{\"b\":null,\"b\":null}" })]
    [InlineData("""{"type":"object","properties":{"ab":{"type":"integer"}},"additionalProperties":{"type":"boolean"}}""", new[] { "{}", "{\"ab\":1}", "{\"x\":true}", "{\"ab\":1,\"abc\":true,\"a\":false,\"\":true}" }, new[] { "{\"ab\":true}", "{\"x\":1}", "{\"x\":true,\"ab\":1}", "{\"\\u0061b\":true}" })]
    [InlineData("""{"type":"object","required":["k"],"additionalProperties":{"type":"integer"}}""", new[] { "{\"k\":1}", "{\"k\":1,\"j\":2}" }, new[] { "{}", "{\"j\":2}" })]
    [InlineData("""{"type":"object"}""", new[] { "{}", "{\"a\":{\"b\":[]}}" }, new[] { "[]", "null" })]
    [InlineData("""{"type":"object","additionalProperties":false}""", new[] { "{}", "{ }" }, new[] { "{\"a\":1}" })]
    [InlineData("""{"anyOf":[{"type":"integer"},{"type":"array","items":{"$ref":"#"}}]}""", new[] { "1", "[1,[2,[]]]" }, new[] { "null", "[null]" })]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}""", new[] { "{\"a\":1}", "{\"b\":1}", "{\"a\":1,\"b\":2}" }, new[] { "{}" })]
    [InlineData("""{"allOf":[{"type":"integer","minimum":3},{"type":"number","maximum":5}],"minimum":4}""", new[] { "4", "5" }, new[] { "3", "6", "4.5" })]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"}],"properties":{"y":{"type":"null"}},"required":["y"],"$defs":{"a":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}}}""", new[] { "{\"y\":null,\"x\":1}" }, new[] { "{\"x\":1}", "{\"y\":null}" })]
    [InlineData("""{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"]}}}""", new[] { "{\"v\":1,\"next\":null}", "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}" }, new[] { "{\"v\":1}", "{\"v\":1,\"next\":{}}" })]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"null"}},"required":["kind"]},{"type":"object","properties":{"kind":{"const":"b"}},"required":["kind"]},{"type":"string"}]}""", new[] { "{\"kind\":\"a\",\"x\":null}", "{\"kind\":\"b\"}", "\"s\"" }, new[] { "{}", "{\"kind\":\"b\",\"x\":null}" })]
    [InlineData("""{"properties":{"a":{"type":"null"}},"required":["a"],"title":"T","description":"d","default":{},"examples":[1],"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"i"}""", new[] { "{\"a\":null}" }, new[] { "1", "{}" })]
    [InlineData("""{"type":"object","properties":{"bad":false,"a":{"type":"null"}}}""", new[] { "{\"a\":null}", "{}" }, new[] { "{\"bad\":1}" })]
    [InlineData("""{"$ref":"#/$defs/a~1b%25","$defs":{"a/b%":{"type":"null"}}}""", new[] { "null" }, new[] { "1" })]
    public void JsonSchema_TakesItsValues_InCanonicalOrder(string schema, string[] taken, string[] refused)
    {
        var compiled = Compile(schema);
        Assert.All(taken, text => Assert.True(compiled.Takes(text), text));
        Assert.All(refused, text => Assert.False(compiled.Takes(text), text));
    }

    [Theory]
    [InlineData("date", new[] { "2024-02-29", "2000-02-29", "1999-12-31" }, new[] { "2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "2024-00-10", "24-01-01" })]
    [InlineData("time", new[] { "23:59:59Z", "00:00:00.123+05:30" }, new[] { "24:00:00Z", "12:60:00Z", "12:00:00" })]
    [InlineData("date-time", new[] { "2024-02-29T12:00:00Z" }, new[] { "2024-02-29 12:00:00Z", "2024-02-29T12:00Z" })]
    [InlineData("duration", new[] { "P1Y2M3D", "PT5M", "P2W", "P1DT1H" }, new[] { "P", "PT", "P1S", "1D" })]
    [InlineData("uuid", new[] { "2eb8aa08-aa98-11ea-b4aa-73b441d16380" }, new[] { "2eb8aa08aa9811eab4aa73b441d16380", "2eb8aa08-aa98-11ea-b4aa-73b441d1638" })]
    [InlineData("email", new[] { "a.b+c@example.com" }, new[] { "a@", "@b.com", "a b@c.de", ".a@b.com", "a@b" })]
    [InlineData("hostname", new[] { "www.example.com", "a-b" }, new[] { "-a", "a-", "a..b", "" })]
    [InlineData("ipv4", new[] { "127.0.0.1", "255.255.255.255" }, new[] { "256.1.1.1", "1.1.1", "01.1.1.1" })]
    [InlineData("ipv6", new[] { "::1", "::", "fe80::1", "1:2:3:4:5:6:7:8", "1::8" }, new[] { "1:2:3", ":::", "12345::", "1::2::3", "1:2:3:4:5:6:7:8:9" })]
    [InlineData("uri", new[] { "https://example.com/a?b=c#d" }, new[] { "example.com", "https://", "https://a b" })]
    public void Format_TakesWhatItsSpecificationAllows(string format, string[] taken, string[] refused)
    {
        var compiled = Compile($$"""{"type":"string","format":"{{format}}"}""");
        Assert.All(taken, text => Assert.True(compiled.Takes($"\"{text}\""), text));
        Assert.All(refused, text => Assert.False(compiled.Takes($"\"{text}\""), text));
    }

    [Theory]
    [InlineData("""{"type":"object","patternProperties":{"a":{}}}""", "at #: the keyword 'patternProperties' is not supported")]
    [InlineData("""{"properties":{"a":{"not":{}}}}""", "at #/properties/a: the keyword 'not' is not supported")]
    [InlineData("""{"type":"array","uniqueItems":true}""", "the keyword 'uniqueItems' is not supported")]
    [InlineData("""{"type":"object","minProperties":1}""", "the keyword 'minProperties' is not supported")]
    [InlineData("""{"if":{}}""", "the keyword 'if' is not supported")]
    [InlineData("""{"tpye":"string"}""", "the keyword 'tpye' is not supported")]
    [InlineData("""{"type":"str"}""", "at #/type: 'str' is no type; types are object, array")]
    [InlineData("""{"type":"string","format":"regex"}""", "the format 'regex' is not supported; formats are date, time")]
    [InlineData("""{"type":"integer","format":"int32"}""", "the format of a number is not supported")]
    [InlineData("""{"type":"string","minLength":-1}""", "at #/minLength: must be an integer of at least 0, was -1")]
    [InlineData("""{"type":"string","pattern":"(?=a)"}""", "at #/pattern: look-ahead is not supported (character 1)")]
    [InlineData("""{"type":"number","multipleOf":0.3}""", "whole number from 1 to 1000, or 0.1, 0.01")]
    [InlineData("""{"type":"integer","minimum":"1"}""", "at #/minimum: must be a number, was \"1\"")]
    [InlineData("""{"type":"integer","minimum":1e30}""", "at most 18 digits")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "there is no #/$defs/none")]
    [InlineData("""{"$ref":"https://example.com/s"}""", "only references within the schema")]
    [InlineData("""{"$ref":"#"}""", "no text meets it")]
    [InlineData("""{"anyOf":[{"$ref":"#"},{"type":"null"}]}""", "a $ref leads back to itself")]
    [InlineData("""{"allOf":[{"$ref":"#"}],"type":"null"}""", "lead on for more than 64 steps")]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""", "no text meets it")]
    [InlineData("""{"type":"integer","minimum":2,"maximum":1}""", "no text meets it")]
    [InlineData("false", "no text meets it")]
    [InlineData("""{"enum":[]}""", "no text meets it")]
    [InlineData("""{"oneOf":[{"type":"integer"},{"type":"number"}]}""", "at #/oneOf: a value may meet both branch 0 and branch 1")]
    [InlineData("""{"allOf":[{"type":"string","pattern":"a"},{"pattern":"b"}]}""", "differ in 'pattern', which cannot be merged")]
    [InlineData("""{"allOf":[{"properties":{"a":{}},"additionalProperties":false},{"properties":{"b":{}}}]}""", "limits additionalProperties")]
    [InlineData("""{"enum":["a"],"minLength":1}""", "'minLength' beside enum or const is not supported")]
    [InlineData("""{"items":[{}]}""", "use prefixItems")]
    [InlineData("""{"properties":[]}""", "at #/properties: must be an object, was []")]
    [InlineData("""{"properties":{"a":7}}""", "at #/properties/a: must be a schema: an object, true or false, was 7")]
    [InlineData("""{"a":1,"a":2}""", "must be JSON with each name once")]
    [InlineData("{", "must be JSON")]
    [InlineData("""{"type":"string","maxLength":900000}""", "too large")]
    [InlineData("""{"type":"string","pattern":"^(a{300}){300}$"}""", "too large")]
    [InlineData("""{"type":"array","minItems":1000000}""", "too large")]
    public void JsonSchema_IsRefusedByNameAndPlace_WhenItCannotBeObeyed(string schema, string says)
    {
        var error = Assert.Throws<ArgumentException>(() => Compile(schema));
        Assert.StartsWith("structured_outputs.json_schema", error.Message, StringComparison.Ordinal);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"allOf\":[@,@]}")]
    [InlineData("{\"type\":\"array\",\"anyOf\":[@,{\"allOf\":[@],\"minItems\":1}]}")]
    [InlineData("{\"oneOf\":[{\"type\":\"null\"},{\"anyOf\":[@,@,@,@]},{\"anyOf\":[@,@,@,@]}]}")]
    [InlineData("{\"type\":\"object\",\"properties\":{\"a\":{\"allOf\":[@,@]},\"b\":{\"anyOf\":[@,@]}}}")]
    public void JsonSchema_IsDoneWithSoon_WhereItDoublesAtEachLevel(string level)
    {
        var definitions = Enumerable.Range(0, 28).Select(i => $"\"d{i}\":{level.Replace("@", $"{{\"$ref\":\"#/$defs/d{i + 1}\"}}", StringComparison.Ordinal)}");
        var schema = "{\"$ref\":\"#/$defs/d0\",\"$defs\":{" + string.Join(',', definitions) + ",\"d28\":{\"type\":\"array\"}}}";
        try
        {
            Assert.True(Compile(schema).Start.Continues);
        }
        catch (ArgumentException e)
        {
            Assert.StartsWith("structured_outputs.json_schema", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void JsonSchema_EndsNesting_WhereCommonReadersEndIt()
    {
        var compiled = Compile("true");
        static string Nested(int depth) => new string('[', depth) + new string(']', depth);
        Assert.True(compiled.Takes(Nested(64)));
        Assert.False(compiled.Takes(Nested(65)));
        using var read = JsonDocument.Parse(Nested(64));
        var state = compiled.Follow(compiled.Start, System.Text.Encoding.UTF8.GetBytes(new string('[', 64)))!;
        Assert.Null(compiled.Follow(state, "["u8));
        Assert.Null(compiled.Follow(state, "{"u8));
        Assert.NotNull(compiled.Follow(state, "1"u8));
    }

    [Fact]
    public void JsonSchema_StaysSmall_WhereBranchesShareTheirBeginning()
    {
        // Each level doubles the ways to read it; the automaton must not.
        var compiled = Compile("""{"anyOf":[{"type":"array","items":{"$ref":"#"}},{"type":"array","items":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},{"type":"integer"}]}""");
        Assert.True(compiled.Takes(new string('[', 60) + "1" + new string(']', 60)));
    }
}
