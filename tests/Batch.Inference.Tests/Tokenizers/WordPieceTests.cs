using Batch.Inference.Tokenizers;
using CsCheck;

namespace Batch.Inference.Tests.Tokenizers;

public sealed class WordPieceTests
{
    private static readonly string[] Words =
        ["the", "cat", "##s", "##walk", "naive", "中", "国", ",", "!", "'", "t", "##t", "a", "b", "##a", "##b", "$", "𝒳"];

    [Fact]
    public void Encode_TakesTheLongestTokenFromTheLeft_BetweenTheSequenceMarks()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.WordPieceJson(Words));

        var ids = tokenizer.Encode("The CATS catwalks");

        Assert.Equal([2, 5, 6, 7, 6, 8, 7, 3], ids); // [CLS] the cat ##s cat ##walk ##s [SEP]
        Assert.Equal("[CLS] the cats catwalks [SEP]", tokenizer.Decode(ids, skipSpecialTokens: false));
    }

    [Theory]
    [InlineData("Naïve, the\u00A0cat!", "naive, the cat!")]
    [InlineData("cat中国cat", "cat 中 国 cat")]
    [InlineData("$cat$", "$ cat $")]
    [InlineData("ca\u0000t\u200D\r\n\tthe\u000B", "cat the")]
    [InlineData("dog cat", "[UNK] cat")]
    [InlineData("𝒳", "𝒳")]
    [InlineData("", "")]
    public void Encode_CleansLowersAndSplitsAsBertDoes(string text, string tokens)
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.WordPieceJson(Words));

        Assert.Equal(tokens, tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false));
    }

    [Fact]
    public void Encode_OfAWordOfMoreThanAHundredCharacters_IsOneUnknownToken()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.WordPieceJson(Words));

        Assert.Equal(100, tokenizer.Encode(new string('a', 100), addSpecialTokens: false).Length);
        Assert.Equal([1], tokenizer.Encode(new string('a', 101), addSpecialTokens: false));
    }

    [Fact]
    public void Encode_KeepsCaseAndAccents_WhenTheNormalizerSaysSo()
    {
        var json = TinyTokenizer.WordPieceJson("Élan", "elan");
        json["normalizer"]!["lowercase"] = false;

        Assert.Equal([5], TinyTokenizer.Load(json).Encode("Élan", addSpecialTokens: false));
    }

    [Fact]
    public void Encode_LeavesTheMaskInTheTextAsText()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.WordPieceJson([.. Words, "[", "]", "mask"]), """{"mask_token": "[MASK]"}""");

        Assert.Equal(("[MASK]", 4), (tokenizer.MaskToken, tokenizer.MaskTokenId));
        Assert.DoesNotContain(4, tokenizer.Encode("the [MASK]"));
    }

    [Fact]
    public void VocabTxt_GivesTheIdsOfTokenizerJson_ForAnyText()
    {
        string[] lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", .. Words];
        using var folder = new TestFolder().With("vocab.txt", string.Join('\n', lines) + "\n");
        var fromLines = HfTokenizer.Load(folder.Path);
        var fromJson = TinyTokenizer.Load(TinyTokenizer.WordPieceJson(Words), """{"mask_token": "[MASK]"}""");

        Assert.Equal(fromJson.MaskTokenId, fromLines.MaskTokenId);
        Gen.OneOf(Gen.OneOf(Words.Select(Gen.Const).ToArray()), Gen.OneOf(Gen.Const(" "), Gen.Const("  "), Gen.Const("[MASK]"), Gen.Const("S"), Gen.Const("É")), Gen.Char.Select(c => c.ToString())).Array[0, 30]
            .Select(string.Concat)
            .Sample(text => fromLines.Encode(text).SequenceEqual(fromJson.Encode(text)));
    }

    [Fact]
    public void VocabTxt_KeepsCase_WhenTheConfigSaysSo()
    {
        using var folder = new TestFolder().With("vocab.txt", "[UNK]\n[CLS]\n[SEP]\nThe\nthe\n").With("tokenizer_config.json", """{"do_lower_case": false}""");

        Assert.Equal([1, 3, 4, 2], HfTokenizer.Load(folder.Path).Encode("The the"));
    }
}
