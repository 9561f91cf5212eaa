using System.Text;
using Batch.Inference.Tokenizers;
using CsCheck;

namespace Batch.Inference.Tests.Tokenizers;

public sealed class HfTokenizerTests
{
    private static readonly string[] Merges = ["t h", "th e", "Ġ the", "a n", "an d", "Ġ and"];
    private static readonly Gen<string> AnyText =
        Gen.OneOf(Gen.Int[0, 0xD7FF], Gen.Int[0xE000, 0x10FFFF], Gen.Int[0x20, 0x7E]).Select(value => new Rune(value).ToString())
            .Array[0, 60].Select(string.Concat);

    [Fact]
    public void Encode_MergesInOrder_InsidePiecesOnly()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(Merges));

        Assert.Equal(["the", " the", " and", "X"], Pieces(tokenizer, "the the andX").Take(4));
        Assert.Equal("the the andX", tokenizer.Decode(tokenizer.Encode("the the andX")));
    }

    [Fact]
    public void RoundTrip_KeepsAnyUnicodeText()
    {
        var byteLevel = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(Merges));
        var sentencePiece = TinyTokenizer.Load(TinyTokenizer.SentencePieceJson("▁abcdehnt", ["▁ t", "h e", "▁t he"]));

        AnyText.Where(text => !text.Contains('▁', StringComparison.Ordinal)).Sample(text =>
            byteLevel.Decode(byteLevel.Encode(text)) == text && sentencePiece.Decode(sentencePiece.Encode(text)) == text);
    }

    [Fact]
    public void RoundTrip_KeepsAnyUnicodeText_InGemmasShapeButForTabs()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.GemmaJson("abdehnt", ["▁ t", "h e", "▁t he"]));

        AnyText.Where(text => text.AsSpan().IndexOfAny('▁', '\t') < 0).Sample(text => tokenizer.Decode(tokenizer.Encode(text)) == text);
    }

    [Fact]
    public void Encode_InGemmasShape_HasNoDummyPrefixAndFindsRunsOfSpace()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.GemmaJson("abdehnt", ["▁ t", "h e", "▁t he"]));

        Assert.Equal(["<s>", "t", "he", " the", "\n\n", "  ", "a"], Pieces(tokenizer, "the the\n\n  a"));
        Assert.Equal("<unk>", Pieces(tokenizer, "\t").Last());
    }

    [Fact]
    public void Encode_OfAMegabyteWithoutABreak_EndsAndLosesNothing()
    {
        HfTokenizer[] tokenizers =
        [
            TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(["a a", "aa aa"])),
            TinyTokenizer.Load(TinyTokenizer.GemmaJson("a中", ["a a"])),
        ];
        foreach (var text in (string[])[new string('a', 1 << 20), new string('中', 1 << 18), new string(' ', 1 << 20)])
        {
            Assert.All(tokenizers, tokenizer => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text))));
        }
    }

    [Fact]
    public void Encode_WithIgnoreMerges_TakesNoHalfCharacterForTheReplacementCharacter()
    {
        // The token of one lead byte decodes to U+FFFD, but is not how U+FFFD is written.
        var json = TinyTokenizer.ByteLevelJson(["ï ¿"]);
        json["model"]!["ignore_merges"] = true;
        var tokenizer = TinyTokenizer.Load(json);

        Assert.Equal("\uFFFD", tokenizer.Decode(tokenizer.Encode("\uFFFD")));
        Assert.Equal(2, tokenizer.Encode("\uFFFD").Length);
    }

    [Fact]
    public void Encode_CountsTheLaterLine_OfAMergeThatIsListedTwice()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.SentencePieceJson("▁ab", ["a a", "a b", "a a"]));

        Assert.Equal(["<s>", " ", "a", "ab"], Pieces(tokenizer, "aab"));
    }

    [Fact]
    public void Encode_Normalizes_AroundNoncharacters()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(Merges, normalizer: """{"type": "NFC"}"""));

        Assert.Equal("é\uFFFEé\uFFFF", tokenizer.Decode(tokenizer.Encode("e\u0301\uFFFEe\u0301\uFFFF")));
    }

    [Fact]
    public void Encode_OfATekkenFile_MergesByRank()
    {
        using var folder = new TestFolder().With("tekken.json", TinyTokenizer.TekkenJson("he", "th", "the", "你"));
        var tokenizer = HfTokenizer.Load(folder.Path);

        // "he" goes before "th", so "the" is made of t and he; "then" has no token, 你 is one as a whole.
        Assert.Equal([1, 3 + 258, 3 + 'n', 3 + '1', 3 + 259], tokenizer.Encode("then1你"));
        Assert.Equal((1, 2), (tokenizer.BosTokenId, tokenizer.EosTokenId));
        AnyText.Sample(text => tokenizer.Decode(tokenizer.Encode(text)) == text);
    }

    [Fact]
    public void Encode_OfALongPiece_EqualsMergingItInTheLibrary()
    {
        // 'a' doubles up to eight; a run longer than the library is given must split the same way as a short one.
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(["a a", "aa aa", "aaaa aaaa"]));

        var ids = tokenizer.Encode(new string('a', 4001));

        Assert.Equal([.. Enumerable.Repeat("aaaaaaaa", 500), "a"], ids.Select(id => Encoding.UTF8.GetString(tokenizer.GetBytes(id))));
    }

    [Fact]
    public void Encode_LeavesSpecialTokensInTheTextAsText()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(Merges));

        var ids = tokenizer.Encode("a<|end|>b<note>c");

        Assert.DoesNotContain(ids, tokenizer.IsSpecial);
        Assert.Contains("<note>", Pieces(tokenizer, "a<|end|>b<note>c"));
        Assert.Equal("a<|end|>b<note>c", tokenizer.Decode(ids));
    }

    [Fact]
    public void Encode_WithIgnoreMerges_TakesAWholePieceAsItsToken()
    {
        var json = TinyTokenizer.ByteLevelJson(Merges);
        json["model"]!["vocab"]!["Ġhen"] = 900;
        Assert.NotEqual([900], TinyTokenizer.Load(json).Encode(" hen"));

        json["model"]!["ignore_merges"] = true;

        Assert.Equal([900], TinyTokenizer.Load(json).Encode(" hen"));
    }

    [Fact]
    public void Encode_SplitsLettersBeyondTheBasicPlaneAsLetters()
    {
        // Two Gothic letters are one word to \p{L}+, so the second's lead bytes may merge with the first's.
        const string Split = """
            {"type": "Sequence", "pretokenizers": [
              {"type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "Isolated"},
              {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
            """;
        var bytes = ByteAlphabet.Write("𐌰𐌱");
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson([$"{bytes[3]} {bytes[4]}"], Split));

        Assert.Equal(7, tokenizer.Encode("𐌰𐌱").Length);
        Assert.Equal(9, tokenizer.Encode("𐌰-𐌱").Length);
    }

    [Fact]
    public void Encode_ComposesText_WhenTheNormalizerIsNfc()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(Merges, normalizer: """{"type": "NFC"}"""));

        Assert.Equal("é", tokenizer.Decode(tokenizer.Encode("e\u0301")));
    }

    [Fact]
    public void Encode_MakesLoneSurrogatesTheReplacementCharacter()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(Merges, normalizer: """{"type": "NFC"}"""));

        Assert.Equal("a\uFFFDb\uFFFD", tokenizer.Decode(tokenizer.Encode("a\uD83Db\uDE00")));
    }

    [Fact]
    public void SentencePieceStyle_AddsBosAndFallsBackToBytes()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.SentencePieceJson("▁abcdehnt", ["▁ t", "h e", "▁t he"]));

        var ids = tokenizer.Encode("the é");

        Assert.Equal(1, ids[0]);
        Assert.Equal(["<s>", " the", " ", "\u00C3", "\u00A9"], ids.Select(id => Encoding.Latin1.GetString(tokenizer.GetBytes(id))));
        Assert.Equal("the é", tokenizer.Decode(ids));
        Assert.Equal(ids[1..], tokenizer.Encode("the é", addSpecialTokens: false));
    }

    [Fact]
    public void SentencePieceStyle_FusesUnknownCharacters_WithoutByteFallback()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.SentencePieceJson("▁a", [], byteFallback: false));

        Assert.Equal(["<s>", " ", "a", "<unk>", "a"], Pieces(tokenizer, "aééa"));
    }

    [Fact]
    public void Load_TakesBosAndEosFromTheConfig()
    {
        var tokenizer = TinyTokenizer.Load(
            TinyTokenizer.SentencePieceJson("▁a", []), """{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": "hi"}""");

        Assert.Equal((1, 2, "hi"), (tokenizer.BosTokenId, tokenizer.EosTokenId, tokenizer.ChatTemplate));
        Assert.True(tokenizer.IsSpecial(2));
    }

    [Fact]
    public async Task Encode_IsTheSame_WhenManyCallAtOnce()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(Merges));
        var texts = Enumerable.Range(0, 200).Select(i => $"the {i} and the {i * 7919} others, and then").ToArray();
        var alone = texts.Select(text => tokenizer.Encode(text)).ToArray();

        var atOnce = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ =>
            Task.Run(() => texts.Select(text => tokenizer.Encode(text)).ToArray(), TestContext.Current.CancellationToken)));

        Assert.All(atOnce, result => Assert.Equal(alone, result));
    }

    [Fact]
    public void GetBytes_OutsideTheVocabulary_Throws()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(Merges));

        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = tokenizer.GetBytes(tokenizer.VocabularySize).Length; });
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([-1]));
    }

    private static IEnumerable<string> Pieces(HfTokenizer tokenizer, string text) =>
        tokenizer.Encode(text).Select(id => Encoding.UTF8.GetString(tokenizer.GetBytes(id)));
}
