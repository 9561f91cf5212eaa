using System.Text.Json;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Tests.Tokenizers;

/// <summary>The ids that Hugging Face's Rust tokenizers give for strings made to be difficult.</summary>
public sealed class RustEquivalenceTests
{
    [Theory]
    [InlineData("gpt2", "tokenizers/gpt2", "")]
    [InlineData("gpt2", "tokenizers/gpt2", "vocab.json merges.txt tokenizer_config.json")]
    [InlineData("qwen3", "tokenizers/qwen3", "")]
    [InlineData("llama2", "tokenizers/llama2", "")]
    [InlineData("llama3", "tokenizers/llama3", "")]
    [InlineData("stories260K", "stories260K", "")]
    [InlineData("stories260K", "stories260K", "tokenizer.model tokenizer_config.json")]
    public void Encode_GivesTheIdsOfTheRustImplementation(string cases, string folder, string onlyFiles)
    {
        using var files = TestFolder.LinkedTo(TestData.Require(folder), onlyFiles.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        var tokenizer = HfTokenizer.Load(files.Path);
        var (strings, ids) = ReadCases(cases);

        var wrong = Enumerable.Range(0, strings.Length).Where(i => !tokenizer.Encode(strings[i]).SequenceEqual(ids[i])).ToList();

        Assert.True(wrong.Count == 0, $"{wrong.Count} of {strings.Length} differ, first {string.Join("; ", wrong.Take(3).Select(Describe))}");

        string Describe(int i) =>
            $"{JsonSerializer.Serialize(strings[i])}: [{string.Join(' ', tokenizer.Encode(strings[i]))}], wanted [{string.Join(' ', ids[i])}]";
    }

    [Theory]
    [InlineData("tokenizers/gpt2")]
    [InlineData("tokenizers/llama2")]
    [InlineData("stories260K")]
    public void Decode_OfEncode_IsTheText(string folder)
    {
        var tokenizer = HfTokenizer.Load(TestData.Require(folder));

        Assert.All(ReadCases("gpt2").Strings, text => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text))));
    }

    /// <summary>
    /// Published tokenizers on thousands of random strings, with what the Rust implementation makes of them: as a user's text, where control
    /// tokens are text, and as a template's output, where they count. tests/oracles/tokenizers.mjs writes the files.
    /// </summary>
    [Theory]
    [InlineData("gpt2")]
    [InlineData("smollm")]
    [InlineData("mistral")]
    [InlineData("llama3")]
    [InlineData("llama3_1")]
    [InlineData("qwen2_5")]
    [InlineData("qwen3")]
    [InlineData("deepseek_v3")]
    [InlineData("mistral_v1")]
    [InlineData("mistral_v2")]
    [InlineData("mistral_v3")]
    [InlineData("mistral_v3_metaspace")]
    [InlineData("mistral_nemo")]
    [InlineData("mistral_tekken")]
    [InlineData("gemma1")]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    [InlineData("phi3")]
    [InlineData("bert_uncased")]
    [InlineData("bert_cased")]
    [InlineData("bert_accents")]
    [InlineData("bert_raw")]
    [InlineData("flags")]
    public void EncodeAndDecode_GiveWhatTheRustImplementationGives_ForRandomText(string name)
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(TestData.Require("tokenizers", name, "oracle.json")));
        var tokenizer = HfTokenizer.Load(TestData.Require("tokenizers", name));
        var strings = file.RootElement.GetProperty("strings").Deserialize<string[]>()!;
        var text = file.RootElement.GetProperty("ids").Deserialize<int[][]>()!;
        var rendered = file.RootElement.GetProperty("rendered").Deserialize<int[][]>()!;
        var decoded = file.RootElement.GetProperty("decoded").Deserialize<string[]>()!;

        var wrong = Enumerable.Range(0, strings.Length).Where(i => !tokenizer.Encode(strings[i], addSpecialTokens: false).SequenceEqual(text[i])
            || !tokenizer.EncodeRendered(strings[i]).SequenceEqual(rendered[i])
            || tokenizer.Decode(rendered[i]) != decoded[i]).ToList();

        Assert.True(wrong.Count == 0, $"{wrong.Count} of {strings.Length} differ, first {string.Join("; ", wrong.Take(3).Select(i => JsonSerializer.Serialize(strings[i])))}");
    }

    private static (string[] Strings, int[][] Ids) ReadCases(string name)
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(TestData.Require("tokenizers", "fuzz", "cases.json")));
        var strings = file.RootElement.GetProperty("strings").Deserialize<string[]>()!;
        return (strings, file.RootElement.GetProperty("ids").GetProperty(name).Deserialize<int[][]>()!);
    }
}
