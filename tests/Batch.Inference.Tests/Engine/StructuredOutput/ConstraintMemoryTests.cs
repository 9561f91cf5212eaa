using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

/// <summary>Constraints that were written to take memory, taken or refused: what that allocates, over all of it, is bounded.</summary>
public sealed class ConstraintMemoryTests
{
    private const long MostBytes = 200L << 20;

    public static TheoryData<string, string> Hostile =>
    [
        ("regex", "(?:(?:(?:a{1,99}){1,99}){1,99})"),
        ("regex", "[\\s\\S]*"),
        ("regex", "(?:.*a){0,300}.{0,300}"),
        ("regex", "(?:a|b)*a(?:a|b){14}"),
        ("regex", "(?:a|b)*a(?:a|b){1,400}"),
        ("regex", "\\p{L}{0,1000}"),
        ("regex", "(?:\\p{L}|\\p{N}|\\s){0,500}x"),
        ("regex", "[^\\n\"]{0,20000}"),
        ("regex", "(?:\\w|[\\u4e00-\\u9fff])*(?:\\w|[\\u4e00-\\u9fff]){11}"),
        ("regex", string.Concat(Enumerable.Repeat("(?:a?b?c?d?)", 500))),
        ("regex", string.Join('|', Enumerable.Range(0, 3000).Select(i => $"word{i * 7919}"))),
        ("json_schema", """{"type":"array","items":{"type":"string","maxLength":20000},"minItems":200,"maxItems":200}"""),
        ("json_schema", """{"type":"string","pattern":"(\\w{1,99}){1,99}","maxLength":5000}"""),
        ("json_schema", $$"""{"type":"object","properties":{ {{Joined(2000, i => $"\"p{i}\":{{\"type\":\"number\"}}")}} },"additionalProperties":false}"""),
        ("json_schema", $$"""{"allOf":[{{Joined(12, i => $"{{\"type\":\"string\",\"pattern\":\"(a|b)*a(a|b){{{i}}}\"}}")}}]}"""),
        ("json_schema", $$"""{"enum":[{{Joined(20_000, i => $"\"value {i * 31}\"")}}]}"""),
        ("choice", string.Join('\n', Enumerable.Range(0, 20_000).Select(i => $"choice {i * 17}"))),
    ];

    [Theory]
    [MemberData(nameof(Hostile), DisableDiscoveryEnumeration = true)]
    public void Validate_StaysSmall_WhenTheConstraintIsMadeToGrow(string kind, string text)
    {
        var constraint = kind switch
        {
            "regex" => new StructuredOutputParams { Regex = text },
            "json_schema" => new StructuredOutputParams { JsonSchema = text },
            _ => new StructuredOutputParams { Choice = text.Split('\n') },
        };
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            constraint.Validate();
        }
        catch (ArgumentException)
        {
            // Refused, as it may be.
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        TestContext.Current.TestOutputHelper?.WriteLine($"{allocated >> 20} MB");
        Assert.InRange(allocated, 0, MostBytes);
    }

    private static string Joined(int count, Func<int, string> part) => string.Join(',', Enumerable.Range(0, count).Select(part));
}
