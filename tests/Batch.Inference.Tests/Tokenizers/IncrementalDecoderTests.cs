using System.Text;
using Batch.Inference.Tokenizers;
using CsCheck;

namespace Batch.Inference.Tests.Tokenizers;

public sealed class IncrementalDecoderTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Append_PiecesTogether_AreTheWholeDecode_ForAnyIds(bool skipSpecialTokens)
    {
        HfTokenizer[] tokenizers =
        [
            TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(["Ã ©", "ä ¸", "ä¸ Ń"])),
            TinyTokenizer.Load(TinyTokenizer.SentencePieceJson("▁abé", ["▁ a"])),
            TinyTokenizer.Load(TinyTokenizer.GemmaJson("abé", ["▁ a"])),
            TinyTokenizer.Load(TinyTokenizer.WordPieceJson("the", "##s", ",", "中")),
        ];
        foreach (var tokenizer in tokenizers)
        {
            Gen.Int[0, tokenizer.VocabularySize - 1].Array[0, 40].Sample(ids =>
                Stream(new IncrementalDecoder(tokenizer, skipSpecialTokens), ids) == tokenizer.Decode(ids, skipSpecialTokens));
        }
    }

    [Fact]
    public void Append_HoldsACharacterBack_UntilItsLastByte()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson([]));
        var decoder = new IncrementalDecoder(tokenizer);

        var pieces = tokenizer.Encode("中a😀").Select(decoder.Append);

        Assert.Equal(["", "", "中", "a", "", "", "", "😀"], pieces);
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void Flush_GivesTheReplacementCharacter_ForHalfACharacter()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson([]));
        var decoder = new IncrementalDecoder(tokenizer);

        Assert.Equal("", decoder.Append(tokenizer.Encode("中")[0]));
        Assert.Equal("\uFFFD", decoder.Flush());
    }

    [Fact]
    public void Append_KeepsTheLeadingSpace_OnlyWhenATextGoesOn()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.SentencePieceJson("▁ab", ["▁ a"]));
        var ids = tokenizer.Encode("a a");

        Assert.Equal("a a", Stream(new IncrementalDecoder(tokenizer), ids));
        Assert.Equal(" a a", Stream(new IncrementalDecoder(tokenizer, continuesText: true), ids));
    }

    [Fact]
    public void Append_GivesThePublishedTextOfStories260K()
    {
        using var reference = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(TestData.Require("stories260K", "reference.json")));
        var ids = reference.RootElement.GetProperty("greedy_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        var tokenizer = HfTokenizer.Load(TestData.Require("stories260K"));

        var text = Stream(new IncrementalDecoder(tokenizer), ids);

        Assert.Equal(reference.RootElement.GetProperty("greedy_text").GetString(), text);
    }

    private static string Stream(IncrementalDecoder decoder, IEnumerable<int> ids)
    {
        var text = new StringBuilder();
        foreach (var id in ids)
        {
            text.Append(decoder.Append(id));
        }
        return text.Append(decoder.Flush()).ToString();
    }
}
