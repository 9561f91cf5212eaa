using Batch.Inference.Engine.StructuredOutput;
using CsCheck;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

public class ChoiceTests
{
    private static readonly WordTokenizer Tokenizer = WordTokenizer.Complete();

    private static readonly Gen<string> Strings = Walks.OneOf("a", "b", "ab", "你", "你好", "😀", "é", "\"", "\n", " ", ".*", "\\", "\u0000").Array[1, 6].Select(string.Concat);

    [Fact]
    public void Choice_TakesItsStrings_AndNothingElse() => Gen.Select(Strings.Array[1, 8], Strings).Sample((choice, other) =>
    {
        var compiled = Walks.Compile(new StructuredOutputParams { Choice = choice }, Tokenizer);
        Assert.All(choice, text => Assert.True(compiled.Takes(text)));
        Assert.Equal(choice.Contains(other), compiled.Takes(other));
    }, iter: 300);

    [Fact]
    public void Walk_GivesOneOfTheChoices_WhicheverTokensAreDrawn() => Gen.Select(Strings.Array[1, 8], Gen.Enum<Taste>(), Gen.Int).Sample((choice, taste, seed) =>
        Assert.Contains(Walks.Compile(new StructuredOutputParams { Choice = choice }, Tokenizer).Walk(Tokenizer, taste, seed), choice), iter: 300);

    [Theory]
    [InlineData(new string[0], "must hold 1 to 10000 strings, held 0")]
    [InlineData(new[] { "a", "" }, "string 2 is empty")]
    [InlineData(new[] { "a", "b\uFFFD" }, "string 2 holds half a surrogate pair")]
    public void Choice_IsRefused_WhenItIsNoListOfTexts(string[] choice, string says) =>
        Assert.Contains(says, Assert.Throws<ArgumentException>(() => new StructuredOutputParams { Choice = [.. choice.Select(text => text.Replace('\uFFFD', '\ud800'))] }.Validate()).Message, StringComparison.Ordinal);

    [Fact]
    public void Validate_RefusesNoneOrSeveral()
    {
        Assert.Contains("exactly one of json_schema, regex and choice, held none", Assert.Throws<ArgumentException>(() => new StructuredOutputParams().Validate()).Message, StringComparison.Ordinal);
        Assert.Contains("held json_schema and regex", Assert.Throws<ArgumentException>(() => new StructuredOutputParams { JsonSchema = "{}", Regex = "a" }.Validate()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_KeepsToTheCharactersOfTheTokenizer_OrSaysThatTheyAreMissing()
    {
        var letters = new WordTokenizer(["a"u8.ToArray(), "b"u8.ToArray(), "ab"u8.ToArray(), "你"u8.ToArray(), [0xE4, 0xBD]]);
        var compiled = Walks.Compile(new StructuredOutputParams { Regex = "(ab|cd|你|好){2}" }, letters);
        for (var seed = 0; seed < 30; seed++)
        {
            Assert.Matches("^(ab|你){2}$", compiled.Walk(letters, Taste.Random, seed));
        }
        var error = Assert.Throws<ArgumentException>(() => Walks.Compile(new StructuredOutputParams { Choice = ["12", "b3"] }, letters));
        Assert.Contains("this model's tokenizer lacks the characters", error.Message, StringComparison.Ordinal);
    }
}
