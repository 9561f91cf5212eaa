using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Benchmarks.References;
using Batch.Inference.Engine;
using Batch.Inference.Tests.Engine;

namespace Batch.Inference.Tests.Models;

/// <summary>The families against <see cref="PlainModel"/>: the checkpoints of the references again, and settings that llama.cpp does not read.</summary>
public class PlainModelTests
{
    private const float Tolerance = 1e-5f; // of the largest logit: float32 beside double precision

    public static TheoryData<string> Names => FamilyReferenceTests.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Forward_GivesTheLogitsOfThePlainModel(string name) => AssertSame(Config(name));

    [Theory]
    [InlineData("gpt2", """{"scale_attn_weights":false}""")]
    [InlineData("llama", """{"partial_rotary_factor":0.5}""")]
    [InlineData("llama-rope-yarn", """{"rope_scaling":{"type":"yarn","factor":4.0,"mscale":0.7,"mscale_all_dim":1.2,"truncate":false,"original_max_position_embeddings":32}}""")]
    [InlineData("mistral-window", """{"rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":32}}""")]
    [InlineData("qwen2", """{"use_sliding_window":true,"layer_types":["sliding_attention","full_attention"]}""")]
    [InlineData("qwen3", """{"use_sliding_window":true,"sliding_window":9,"max_window_layers":1,"attention_bias":true}""")]
    [InlineData("gemma2", """{"attention_bias":true,"attn_logit_softcapping":null,"final_logit_softcapping":null}""")]
    [InlineData("gemma2", """{"layer_types":["full_attention","sliding_attention","sliding_attention"]}""")]
    [InlineData("gemma3", """{"attn_logit_softcapping":3.0,"final_logit_softcapping":5.0,"tie_word_embeddings":false}""")]
    public void Forward_GivesTheLogitsOfThePlainModel_With(string name, string settings)
    {
        var config = JsonNode.Parse(Config(name).GetRawText())!.AsObject();
        foreach (var (field, value) in JsonNode.Parse(settings)!.AsObject())
        {
            config[field] = value?.DeepClone();
        }
        AssertSame(JsonSerializer.SerializeToElement(config));
    }

    private static JsonElement Config(string name) => Reference.Load(Path.Combine(AppContext.BaseDirectory, "References", $"{name}.json")).Config;

    private static void AssertSame(JsonElement config)
    {
        const ulong Seed = 5;
        using var folder = new TestFolder();
        RandomCheckpoint.Write(folder.Path, config.GetRawText(), Seed);
        var random = new Random(2);
        var prompt = Enumerable.Range(0, 44).Select(_ => random.Next(128)).ToArray();
        var model = ModelLoader.Load(new EngineOptions { ModelPath = folder.Path, Device = "cpu", Threads = 1 }, new CharacterTokenizer(128));

        var logits = EngineRuns.LastLogits(model, prompt);
        var expected = new PlainModel(config, RandomCheckpoint.Shapes(folder.Path), Seed).Logits(prompt);

        model.Runner.Dispose();
        var worst = expected.Zip(logits, (e, a) => Math.Abs(e - a)).Max() / expected.Max(Math.Abs);
        TestContext.Current.TestOutputHelper?.WriteLine($"differs by {worst:0.0e0} of the largest logit");
        Assert.InRange(worst, 0, Tolerance);
    }
}
