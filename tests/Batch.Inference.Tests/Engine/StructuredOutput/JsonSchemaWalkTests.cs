using System.Text.Json;
using System.Text.RegularExpressions;
using Batch.Inference.Engine.StructuredOutput;
using CsCheck;
using NJsonSchema;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

/// <summary>Random schemas, random texts through their masks, and NJsonSchema as the judge.</summary>
public class JsonSchemaWalkTests
{
    private static readonly WordTokenizer Tokenizer = WordTokenizer.Complete();

    private static readonly Gen<string> Leaves = Gen.OneOf(
        Walks.OneOf("""{"type":"string"}""", """{"type":"boolean"}""", """{"type":"null"}""", """{"type":"integer"}""", """{"type":"number"}""", """{"type":["string","null"]}""", """{"type":["integer","boolean"]}"""),
        Gen.Select(Gen.Int[0, 6], Gen.Int[0, 30]).Select((least, more) => $$"""{"type":"string","minLength":{{least}},"maxLength":{{least + more}}}"""),
        Walks.OneOf("^[a-z]{2,5}$", "[0-9]", "^a|b$", "^[^\\\"\\\\\\\\]*$", "^\\\\d{3}-\\\\w+$", "^(?:你|好){1,3}$").Select(pattern => $$"""{"type":"string","pattern":"{{pattern}}"}"""),
        Walks.OneOf("date", "date-time", "time", "uuid", "email", "ipv4", "ipv6", "hostname", "uri").Select(format => $$"""{"type":"string","format":"{{format}}"}"""),
        Gen.Select(Gen.Int[-1200, 1200], Gen.Int[0, 3000], Walks.OneOf("", ",\"multipleOf\":1", ",\"multipleOf\":7")).Select((low, more, multiple) => $$"""{"type":"integer","minimum":{{low}},"maximum":{{low + more}}{{(more > 20 ? multiple : "")}}}"""),
        Gen.Select(Gen.Int[-500, 500], Gen.Int[1, 900]).Select((low, more) => FormattableString.Invariant($$"""{"type":"number","exclusiveMinimum":{{low / 8m}},"maximum":{{(low + more) / 8m}}}""")),
        Walks.OneOf("""{"enum":["a","你好",3,null,[1,{"b":"c"}]]}""", """{"type":"string","enum":["x","\"y\n"]}"""),
        Walks.OneOf("""{"$ref":"#/definitions/list"}""", """{"$ref":"#/definitions/tree"}"""));

    private static readonly Gen<string> Schemas = Gen.Recursive<string>((depth, schema) => depth > 3 ? Leaves : Gen.OneOf(
        Leaves,
        Gen.Select(schema, Gen.Int[0, 3], Gen.Int[0, 4]).Select((items, least, more) => $$"""{"type":"array","items":{{items}},"minItems":{{least}}{{(more > 2 ? "" : $",\"maxItems\":{least + more}")}}}"""),
        Gen.Select(Gen.Select(Walks.OneOf("a", "ab", "b", "名", "q\\\"", "the"), schema, Gen.Bool).Array[0, 4], Walks.OneOf("", ",\"additionalProperties\":false", ",\"additionalProperties\":{\"type\":\"integer\"}")).Select((members, additional) => Object(members, additional)),
        schema.Array[1, 3].Select(branches => $$"""{"anyOf":[{{string.Join(',', branches)}}]}""")));

    private static string Object((string Name, string Schema, bool Required)[] members, string additional)
    {
        var distinct = members.DistinctBy(member => member.Name).ToList();
        var (properties, required) = (string.Join(',', distinct.Select(m => $"\"{m.Name}\":{m.Schema}")), string.Join(',', distinct.Where(m => m.Required).Select(m => $"\"{m.Name}\"")));
        return "{\"type\":\"object\",\"properties\":{" + properties + "},\"required\":[" + required + "]" + additional + "}";
    }

    private const string Definitions = """
        {"list":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/definitions/list"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false},
        "tree":{"type":"array","items":{"anyOf":[{"$ref":"#/definitions/tree"},{"type":"string","maxLength":3}]},"maxItems":3}}
        """;

    private static string WithDefinitions(string schema) => "{\"allOf\":[" + schema + "],\"definitions\":" + Definitions + "}";

    [Fact]
    public async Task Walk_AlwaysGivesAValidText_WhicheverTokensAreDrawn()
    {
        var finished = 0;
        await Gen.Select(Schemas, Gen.Enum<Taste>(), Gen.Int).SampleAsync(async (schema, taste, seed) =>
        {
            var whole = WithDefinitions(schema);
            var text = Walks.Compile(new StructuredOutputParams { JsonSchema = whole }, Tokenizer).Walk(Tokenizer, taste, seed);
            Assert.NotNull(text);
            using var parsed = JsonDocument.Parse(text);
            var errors = (await JsonSchema.FromJsonAsync(whole, TestContext.Current.CancellationToken)).Validate(OneUnitEach(text));
            Assert.True(errors.Count == 0, $"{schema}\n{text}\n{string.Join('\n', errors)}");
            Interlocked.Increment(ref finished);
        }, iter: 200);
        Assert.True(finished >= 200);
    }

    // NJsonSchema counts UTF-16 units where JSON Schema counts characters.
    private static string OneUnitEach(string text) => Regex.Replace(text, "[\ud800-\udbff][\udc00-\udfff]|\\\\u[dD][89abAB]..\\\\u....", "好");

    [Fact]
    public void JsonSchema_NeverCrashesOrHangs_OnAnyJson() => Gen.Select(Schemas, Gen.Int[0, 400], Walks.OneOf("{", "}", "[", "]", "\"", "1", ",", ":", "null", "\"$ref\":\"#\"", "\"allOf\":[{}]", "\"type\":7", "1e999", "-", "\\", "\ud800"), Gen.Bool).Sample((schema, at, junk, replace) =>
    {
        var place = at % schema.Length;
        var broken = schema[..place] + junk + schema[(place + (replace ? 1 : 0))..];
        try
        {
            new StructuredOutputParams { JsonSchema = WithDefinitions(broken) }.Validate();
        }
        catch (ArgumentException e)
        {
            Assert.StartsWith("structured_outputs.json_schema", e.Message, StringComparison.Ordinal);
        }
    }, iter: 1000);
}
