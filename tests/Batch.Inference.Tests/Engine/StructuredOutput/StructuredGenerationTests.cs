using System.Text.Json;
using System.Text.RegularExpressions;
using Batch.Inference.Engine;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

/// <summary>Real models that know nothing of JSON, at temperature 1.</summary>
public class StructuredGenerationTests
{
    private const string Person = """
        {"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":130},"tags":{"type":"array","items":{"enum":["red","green","蓝"]},"maxItems":3},
        "born":{"type":"string","format":"date"}},"required":["name","age","tags"],"additionalProperties":false}
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static LlmEngine Load(string model) => LlmEngine.Load(new EngineOptions
    {
        ModelPath = model == "draft-5m" ? Repository.Path("models", "draft-5m") : TestData.Require(model),
        Device = "cpu",
    });

    private static SamplingParams With(StructuredOutputParams outputs, ulong seed = 0) => new() { StructuredOutputs = outputs, Seed = seed, MaxTokens = 250, Temperature = 1 };

    [Theory]
    [InlineData("draft-5m")]
    [InlineData("stories260K")]
    public async Task GenerateAsync_GivesWhatIsAskedFor_AtAnySeed(string model)
    {
        await using var engine = Load(model);
        var prompt = engine.Tokenizer.Encode("Once upon a time");
        var runs = Enumerable.Range(0, 8).Select(async seed =>
        {
            var person = await engine.RunAsync($"p{seed}", prompt, With(new() { JsonSchema = Person }, (ulong)seed), Token);
            var date = await engine.RunAsync($"d{seed}", prompt, With(new() { Regex = "(19|20)\\d{2}-\\d{2} (是|was) [a-z]{3,8}\\." }, (ulong)seed), Token);
            var choice = await engine.RunAsync($"c{seed}", prompt, With(new() { Choice = ["yes", "no", "也许", "no way"] }, (ulong)seed), Token);
            return (person, date, choice);
        });
        foreach (var (person, date, choice) in await Task.WhenAll(runs))
        {
            Assert.Equal((FinishReason.Stop, FinishReason.Stop, FinishReason.Stop), (person.Reason, date.Reason, choice.Reason));
            using var parsed = JsonDocument.Parse(person.Text);
            Assert.InRange(parsed.RootElement.GetProperty("age").GetInt32(), 0, 130);
            Assert.Empty((await NJsonSchema.JsonSchema.FromJsonAsync(Person, Token)).Validate(person.Text));
            Assert.Matches(new Regex("^(19|20)[0-9]{2}-[0-9]{2} (是|was) [a-z]{3,8}\\.\\z"), date.Text);
            Assert.Contains(choice.Text, (string[])["yes", "no", "也许", "no way"]);
        }
    }

    [Fact]
    public async Task GenerateAsync_LeavesNeighboursAlone_WhenOneIsConstrained()
    {
        await using var engine = Load("draft-5m");
        var prompt = engine.Tokenizer.Encode("The garden");
        var free = new SamplingParams { Seed = 5, MaxTokens = 30 };
        var alone = await engine.RunAsync("alone", prompt, free, Token);
        var constrained = Enumerable.Range(0, 3).Select(i => engine.RunAsync($"json{i}", prompt, With(new() { JsonSchema = Person }, (ulong)i), Token)).ToArray();
        var beside = await engine.RunAsync("beside", prompt, free, Token);
        await Task.WhenAll(constrained);
        Assert.Equal(alone, beside);
    }

    [Fact]
    public async Task GenerateAsync_EndsOrSaysWhy_WhenOtherParametersMeetTheConstraint()
    {
        await using var engine = Load("draft-5m");
        var prompt = engine.Tokenizer.Encode("Answer:");
        var choice = new StructuredOutputParams { Choice = ["yes", "no"] };
        // Nothing may follow a whole choice, so min_tokens and ignore_eos do not hold it.
        var held = await engine.RunAsync("held", prompt, With(choice) with { MinTokens = 40, IgnoreEos = true }, Token);
        Assert.Contains(held.Text, choice.Choice);
        Assert.Equal(FinishReason.Stop, held.Reason);
        // A text that may go on does so until min_tokens, and is cut at max_tokens.
        var longer = await engine.RunAsync("long", prompt, With(new() { Regex = "[a-z ]+" }) with { MinTokens = 20, MaxTokens = 20 }, Token);
        Assert.Equal((20, FinishReason.Length), (longer.Tokens, longer.Reason));
        Assert.Matches("^[a-z ]+$", longer.Text);
        // What leaves no token fails that text alone.
        var banned = With(choice) with { AllowedTokenIds = [engine.Tokenizer.Encode("7", addSpecialTokens: false)[0]] };
        var beside = engine.RunAsync("beside", prompt, With(choice), Token);
        await Assert.ThrowsAsync<GenerationRefusedException>(() => engine.RunAsync("banned", prompt, banned, Token));
        Assert.Contains((await beside).Text, choice.Choice);
    }

    [Fact]
    public async Task GenerateAsync_NeedsNoEndOfTextToken_ToEndAWholeText()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        string[] choice = ["\u4e00\u4e01\u4e02", "\u4e05"];
        var result = await engine.RunAsync("tiny", [1, 2], With(new() { Choice = choice }), Token);
        Assert.Contains(result.Text, choice);
        Assert.Equal(FinishReason.Stop, result.Reason);
        var error = await Assert.ThrowsAsync<GenerationRefusedException>(() => engine.RunAsync("latin", [1, 2], With(new() { Choice = ["a"] }), Token));
        Assert.Contains("tokenizer lacks the characters", error.Message, StringComparison.Ordinal);
    }
}
