using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Schedules;

namespace Batch.Jobs.Tests.Security;

/// <summary>Small inputs that would unfold into much work or memory.</summary>
public sealed class BombTests
{
    private const long MostBytes = 2L << 30; // taken and given back over the whole run; what is kept at a time is far less

    [Theory]
    [InlineData("{{ for i in 1..1000000000 }}x{{ end }}")]
    [InlineData("{{ while true }}{{ end }}")]
    [InlineData("{{ func f; f; end; f }}")]
    [InlineData("{{ 'a' | string.pad_left 2000000000 }}")]
    [InlineData("{{ 'a' | string.pad_right 2000000000 }}")]
    [InlineData("{{ 'a' * 2000000000 }}")]
    [InlineData("{{ x = 'aaaaaaaaaa'; for i in 1..64; x = x + x; end; x }}")]
    [InlineData("{{ (1..1000000000) | array.size }}")]
    [InlineData("{{ (1..1000000000) | array.join ',' }}")]
    [InlineData("{{ 2 ** 2000000000 }}")]
    [InlineData("{{ 1e9993333 '' }}")]
    [InlineData("{{ 1.5e+9993333 }}")]
    [InlineData("{{ object.eval '1e9993333' }}")]
    [InlineData("{{ object.eval_template '{{ 1e9993333 }}' }}")]
    [InlineData("{{ include 'x' }}")]
    [InlineData("{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' | regex.match '(a+)+$' }}")]
    public void Template_IsRefusedOrStaysSmall_WhenItIsMadeToGrow(string template)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();

        var text = Render(template);

        Assert.InRange(text?.Length ?? 0, 0, 1 << 21);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
    }

    [Fact]
    public void Template_RendersNoMoreRows_WhenThoseBeforeTookTheTimeOfARun()
    {
        var values = new TemplateValues(DateTimeOffset.UnixEpoch, 1, new Dictionary<string, string>());
        var template = ScheduleTemplate.Compile(Parse("@daily", "{{ run }}").Job!, mayTake: TimeSpan.Zero);

        template.Render(values);

        Assert.Contains("took longer than 0 s", Assert.Throws<InvalidJobException>(() => template.Render(values)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Template_IsRefused_WhenItNestsDeeply()
    {
        foreach (var (open, close) in new[] { ("(", ")"), ("[", "]"), ("{a:", "}"), ("!", ""), ("f ", ""), ("if true;", "end;"), ("x[", "]"), ("1+", "") })
        {
            var nested = $"{{{{ {string.Concat(Enumerable.Repeat(open, 8000))}1{string.Concat(Enumerable.Repeat(close, 8000))} }}}}";
            OnAPoolsStack(() => Render(nested[..Math.Min(nested.Length, 30_000)]));
        }
    }

    [Theory]
    [InlineData("0 0 H * *")]
    [InlineData("H H * * *")]
    public void Cron_IsRefused_WhenItAsksForChance(string cron) =>
        Assert.Equal("cron", Assert.Throws<InvalidJobException>(() => Parse(cron, "x")).Param);

    [Theory]
    [InlineData("999999999d")]
    [InlineData("366d")]
    [InlineData("0s")]
    [InlineData("24h\n")]
    [InlineData("P99999999999Y")]
    public void CompletionWindow_IsRefused_WhenItIsNoneFromASecondToAYear(string window) => Assert.Null(CompletionWindow.Read(window));

    [Fact]
    public void Template_IsRenderedInPlace_WhenAFieldsNameHoldsASlash()
    {
        var job = JsonNode.Parse("""{"metadata":{"a/b~c":"{{ run }}"}}""")!.AsObject();

        var rendered = ScheduleTemplate.Compile(job).Render(new TemplateValues(DateTimeOffset.UnixEpoch, 7, new Dictionary<string, string>()));

        Assert.Equal("7", JsonNode.Parse(rendered)!["metadata"]!["a/b~c"]!.GetValue<string>());
    }

    private static string? Render(string template)
    {
        try
        {
            var rendered = ScheduleTemplate.Compile(Parse("@daily", template).Job!).Render(new TemplateValues(DateTimeOffset.UnixEpoch, 1, new Dictionary<string, string>()));
            return JsonNode.Parse(rendered)!["prompt"]!.GetValue<string>();
        }
        catch (InvalidJobException)
        {
            return null;
        }
    }

    private static ScheduleDefinition Parse(string cron, string template)
    {
        using var json = JsonSerializer.SerializeToDocument(new { cron, job = new { prompt = template } });
        return ScheduleDefinition.Parse(json.RootElement);
    }

    // An overflow of the stack would end the process, so what is refused must be refused well before.
    private static void OnAPoolsStack(Action action)
    {
        var thread = new Thread(() => action(), maxStackSize: 1 << 20);
        thread.Start();
        thread.Join();
    }
}
