using System.Text.Json.Nodes;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Tests.Tokenizers;

public sealed class AddedTokenTests
{
    [Theory]
    [InlineData("lstrip", "a  <x>  b", new[] { "a", "<x>", " ", " b" })]
    [InlineData("rstrip", "a  <x>  b", new[] { "a", " ", " ", "<x>", "b" })]
    [InlineData("single_word", "a<x> <x> b", new[] { "a", "<", "x", ">", " ", "<x>", " b" })]
    public void Encode_TreatsTheNeighboursAsTheTokenSays(string flag, string text, string[] pieces)
    {
        var tokenizer = TinyTokenizer.Load(With(flag));

        Assert.Equal(pieces, Pieces(tokenizer, text));
    }

    [Fact]
    public void Encode_FindsANormalizedToken_InWhatTheNormalizerMakesOfTheText()
    {
        var tokenizer = TinyTokenizer.Load(With("normalized", """{"type": "Lowercase"}"""));

        Assert.Equal(["a", "<x>", "b"], Pieces(tokenizer, "A<X>B"));
        Assert.Equal(["a", "<x>", "b"], Pieces(tokenizer, "A<x>B"));
    }

    [Fact]
    public void Encode_FindsATokenAsWritten_WhenItIsNotNormalized()
    {
        var tokenizer = TinyTokenizer.Load(With("special", """{"type": "Lowercase"}""", on: false));

        Assert.Equal(["a", "<", "x", ">", "b"], Pieces(tokenizer, "A<X>B"));
        Assert.Equal(["a", "<x>", "b"], Pieces(tokenizer, "A<x>B"));
    }

    [Fact]
    public void Encode_TakesTheLongestOfTheTokensThatStartTogether()
    {
        var json = With("lstrip", on: false);
        json["added_tokens"]!.AsArray().Add(TinyTokenizer.Added(901, "<x>>", special: false));
        var tokenizer = TinyTokenizer.Load(json);

        Assert.Equal(["<x>>", ">", "<x>"], Pieces(tokenizer, "<x>>><x>"));
    }

    private static JsonObject With(string flag, string? normalizer = null, bool on = true)
    {
        var json = TinyTokenizer.ByteLevelJson(["Ġ b"], normalizer: normalizer);
        var token = TinyTokenizer.Added(900, "<x>", special: false);
        token[flag] = on;
        json["added_tokens"]!.AsArray().Add(token);
        return json;
    }

    private static IEnumerable<string> Pieces(HfTokenizer tokenizer, string text) =>
        tokenizer.Encode(text).Select(id => System.Text.Encoding.UTF8.GetString(tokenizer.GetBytes(id)));
}
