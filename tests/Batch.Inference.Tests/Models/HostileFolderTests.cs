using System.Text;
using System.Text.Json.Nodes;
using Batch.Inference.Engine;
using Batch.Inference.Models;
using Batch.Inference.Tests.Tokenizers;
using Batch.Inference.Tokenizers;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Models;

/// <summary>Model folders that nobody publishes: each is refused as what it is, and named.</summary>
public sealed class HostileFolderTests
{
    private const string Llama =
        """{"model_type":"llama","hidden_size":8,"intermediate_size":8,"num_hidden_layers":0,"num_attention_heads":2,"num_key_value_heads":2,"vocab_size":4,"max_position_embeddings":2147483647,"rms_norm_eps":1e-5,"hidden_act":"silu","tie_word_embeddings":true}""";

    [Theory]
    [InlineData("{\"model_type\":\"\xff\"}")]
    [InlineData("{\"model_type\":\"llama\",\"hidden_act\":\"\\ud800\"}")]
    [InlineData("[]")]
    [InlineData("7")]
    public void Config_IsRefused_WhenItIsNoObjectOfText(string json)
    {
        using var folder = new TestFolder();
        File.WriteAllBytes(Path.Combine(folder.Path, "config.json"), Encoding.Latin1.GetBytes(json));

        Assert.Contains("config.json", Assert.Throws<InvalidDataException>(() => ModelConfig.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("\"\"")]
    [InlineData("\"../model.safetensors\"")]
    [InlineData("\"/etc/passwd\"")]
    public void ShardIndex_IsRefused_WhenAShardIsNoFileOfTheFolder(string shard)
    {
        using var folder = new TestFolder().With("model.safetensors.index.json", $$$"""{"weight_map":{"a":{{{shard}}}}}""");

        Assert.Contains("shard", Assert.Throws<InvalidDataException>(() => ShardIndex.Open(folder.Path, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tokenizer_IsRefused_WhenTwoTokensHaveOneId()
    {
        var json = TinyTokenizer.ByteLevelJson(["a b"]);
        json["model"]!["vocab"]!["ab"] = 0;

        Assert.Contains("has id 0, which another has too", Assert.Throws<InvalidDataException>(() => TinyTokenizer.Load(json)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tekken_IsRefused_WhenATokensBytesAreNoText()
    {
        var json = JsonNode.Parse(TinyTokenizer.TekkenJson())!;
        json["vocab"]![7]!["token_bytes"] = 7;
        using var folder = new TestFolder().With("tekken.json", json.ToJsonString());

        Assert.Contains("vocab[7]", Assert.Throws<InvalidDataException>(() => HfTokenizer.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Model_IsRefused_WhenItsContextWouldFillTheMemory()
    {
        using var folder = new TestFolder().With("config.json", Llama);
        using var scope = NewDisposeScope();
        using var weights = new Batch.Benchmarks.References.MetaWeights();

        Assert.Contains("Engine:MaxContextLength", Assert.Throws<InvalidDataException>(() => CausalLM.Create(ModelConfig.Load(folder.Path), weights)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("num_hidden_layers", int.MaxValue)]
    [InlineData("num_hidden_layers", -1)]
    [InlineData("num_attention_heads", 0)]
    [InlineData("max_position_embeddings", -1)]
    [InlineData("hidden_size", 0)]
    public void Config_IsRefused_WhenASizeIsNone(string field, int size)
    {
        var json = JsonNode.Parse(Llama)!;
        json[field] = size;
        using var folder = new TestFolder().With("config.json", json.ToJsonString());
        using var weights = new Batch.Benchmarks.References.MetaWeights();

        Assert.Contains($"{field} is {size}", Assert.Throws<InvalidDataException>(() => CausalLM.Create(ModelConfig.Load(folder.Path), weights)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Schema_IsReadWhole_WhenItNestsMoreDeeplyThanJsonUsuallyMay()
    {
        var nested = string.Concat(Enumerable.Repeat("""{"type":"array","items":""", 80)) + "{}" + new string('}', 80);

        var error = Record.Exception(() => new Batch.Inference.Engine.StructuredOutput.StructuredOutputParams { JsonSchema = $$"""{"allOf":[{{nested}},{"minItems":1}]}""" }.Validate());

        Assert.True(error is null or ArgumentException, $"{error}");
    }

    [Fact]
    public void Stop_IsRefused_WhenAStringIsLongerThanIsLookedFor() =>
        Assert.Contains("at most 1000 characters", Assert.Throws<ArgumentException>(() => new SamplingParams { Stop = ["a", new string('a', 1001)] }.Validate()).Message, StringComparison.Ordinal);
}
