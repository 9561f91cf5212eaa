using System.Text.Json.Nodes;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Tests.Tokenizers;

/// <summary>A folder that cannot be read is refused with the file, what was seen and what was wanted.</summary>
public sealed class LoadErrorTests
{
    [Fact]
    public void Load_NamesTheFilesItWants_WhenThereIsNone()
    {
        using var folder = new TestFolder().With("config.json", "{}");

        var error = Assert.Throws<FileNotFoundException>(() => HfTokenizer.Load(folder.Path));

        Assert.Contains("wanted tokenizer.json", error.Message, StringComparison.Ordinal);
        Assert.Contains("saw config.json", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "wanted an object, saw []")]
    [InlineData("{}", "has no 'model'")]
    [InlineData("""{"model": {"type": "Unigram"}}""", "model 'Unigram' is not supported")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": "x"}}}""", "model.vocab.a: wanted an integer, saw \"x\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": -1}}}""", "model.vocab.a: wanted a token id from 0 to 16777215, saw -1")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": ["a b"]}}""", "the merges name 'a'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": ["a"]}}""", "model.merges[0]: wanted two tokens, saw \"a\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "end_of_word_suffix": "</w>"}}""", "end_of_word_suffix '</w>' is not supported")]
    public void Load_SaysWhatIsWrongWithTheModel(string json, string message) => AssertRefused("tokenizer.json", json, message);

    [Theory]
    [InlineData("normalizer", """{"type": "Precompiled"}""", "normalizer: normalizer 'Precompiled' is not supported")]
    [InlineData("normalizer", """{"type": "Replace", "pattern": {"Regex": "("}, "content": ""}""", "normalizer.pattern.Regex: Invalid pattern")]
    [InlineData("pre_tokenizer", """{"type": "UnicodeScripts"}""", "pre_tokenizer 'UnicodeScripts' is not supported")]
    [InlineData("decoder", """{"type": "CTC"}""", "decoder 'CTC' is not supported")]
    [InlineData("post_processor", """{"type": "Pairs"}""", "post_processor 'Pairs' is not supported")]
    public void Load_RefusesAnUnknownStepByName(string step, string json, string message)
    {
        var file = TinyTokenizer.ByteLevelJson([]);
        file[step] = JsonNode.Parse(json);

        AssertRefused("tokenizer.json", file.ToJsonString(), message);
    }

    [Fact]
    public void Load_RefusesABosThatIsNoToken()
    {
        var error = Assert.Throws<InvalidDataException>(() => TinyTokenizer.Load(TinyTokenizer.ByteLevelJson([]), """{"bos_token": "<s>"}"""));

        Assert.Contains("bos_token is '<s>'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tekken.json", """{"config": {"pattern": ".", "default_vocab_size": 3, "default_num_special_tokens": 2}, "vocab": [{"rank": 1, "token_bytes": "AA=="}]}""", "vocab[0]: wanted the token of rank 0")]
    [InlineData("tekken.json", """{"config": {"pattern": "(", "default_vocab_size": 3, "default_num_special_tokens": 2}, "vocab": [{"rank": 0, "token_bytes": "AA=="}]}""", "config.pattern: Invalid pattern")]
    [InlineData("tekken.json", """{"config": {"pattern": ".", "default_vocab_size": 3, "default_num_special_tokens": 2}, "vocab": [{"rank": 0, "token_bytes": "AA=="}]}""", "vocab: wanted 1 tokens, the 256 bytes among them")]
    [InlineData("vocab.txt", "[UNK]\n[CLS]\n", "sep_token is '[SEP]', which is no line of the file")]
    public void Load_SaysWhatIsWrongWithOtherFormats(string file, string content, string message) => AssertRefused(file, content, message);

    [Fact]
    public void Load_RefusesAFileThatIsNoSentencePieceModel() => AssertRefused("tokenizer.model", "plain text", "sentencepiece model");

    [Fact]
    public void Load_NamesTheLineOfMergesThatIsWrong()
    {
        using var folder = new TestFolder().With("vocab.json", """{"a": 0}""").With("merges.txt", "#version: 0.2\na a a\n");

        var error = Assert.Throws<InvalidDataException>(() => HfTokenizer.Load(folder.Path));

        Assert.Contains("merges.txt: line 2: wanted two tokens, saw 'a a a'", error.Message, StringComparison.Ordinal);
    }

    private static void AssertRefused(string name, string content, string message)
    {
        using var folder = new TestFolder().With(name, content);

        var error = Assert.Throws<InvalidDataException>(() => HfTokenizer.Load(folder.Path));

        Assert.StartsWith(Path.Combine(folder.Path, name), error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
