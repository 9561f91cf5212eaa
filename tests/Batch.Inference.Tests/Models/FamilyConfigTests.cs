using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Inference.Engine;
using Batch.Inference.Layers;
using Batch.Inference.Models;
using Batch.Inference.Tests.Engine;

namespace Batch.Inference.Tests.Models;

/// <summary>What a config sets is obeyed or refused by name; what it leaves out takes the family's own default.</summary>
public class FamilyConfigTests
{
    [Theory]
    [InlineData("llama", """{"rope_scaling":{"type":"linear"}}""", "rope_scaling: factor is missing")]
    [InlineData("llama", """{"rope_scaling":{"type":"yarn","factor":4.0,"attn_factor":0.9}}""", "rope_scaling: attn_factor = 0.9 is not supported for llama")]
    [InlineData("llama", """{"rope_scaling":{"type":"dynamic","factor":2.0,"original_max_position_embeddings":48}}""", "original_max_position_embeddings = 48 is not supported for llama, only 96")]
    [InlineData("llama", """{"rope_scaling":{"type":"longrope","short_factor":[1,1],"long_factor":[1,1,1,1],"factor":2.0}}""", "short_factor is [1,1], a list of 4 numbers is expected")]
    [InlineData("llama", """{"rope_scaling":{"type":"default"},"rope_parameters":{"rope_type":"default"}}""", "rope_parameters and rope_scaling are both given")]
    [InlineData("llama", """{"partial_rotary_factor":0.1}""", "0 rotary dimensions of head_dim 8")]
    [InlineData("llama", """{"num_key_value_heads":3}""", "num_attention_heads 4 is no multiple of num_key_value_heads 3")]
    [InlineData("llama", """{"sliding_window":64}""", "sliding_window = 64 is not supported for llama")]
    [InlineData("llama", """{"quantization_config":{"bits":4}}""", "quantization_config = {\"bits\":4} is not supported for llama")]
    [InlineData("mistral", """{"sliding_window":0}""", "sliding_window is 0, at least 1 is expected")]
    [InlineData("qwen2", """{"use_mrope":true}""", "use_mrope = True is not supported for qwen2, only false")]
    [InlineData("qwen3", """{"layer_types":["full_attention"]}""", "a list for 2 layers is expected")]
    [InlineData("phi3", """{"mlp_bias":true}""", "mlp_bias = True is not supported for phi3, only false")]
    [InlineData("gemma2", """{"hidden_activation":"gelu"}""", "hidden_activation = gelu is not supported for gemma2, only gelu_pytorch_tanh")]
    [InlineData("gemma2", """{"use_bidirectional_attention":true}""", "use_bidirectional_attention = True is not supported for gemma2")]
    [InlineData("gemma3_text", """{"sliding_window":null}""", "sliding_window = null is not supported for gemma3_text")]
    [InlineData("gemma3_text", """{"layer_types":["full_attention","chunked_attention"]}""", "layer_types holds 'chunked_attention'; only full_attention and sliding_attention are supported")]
    [InlineData("gemma3", "{}", "text_config is missing")]
    public void Load_NamesWhatTheFamilyDoesNotObey(string family, string with, string message)
    {
        using var folder = TinyModel.Create(family == "gemma3" ? "gemma3_text" : family, config: config =>
        {
            config["model_type"] = family;
            foreach (var field in JsonDocument.Parse(with).RootElement.EnumerateObject())
            {
                config[field.Name] = field.Value.Clone();
            }
        });

        Assert.Contains(message, Assert.ThrowsAny<Exception>(() => folder.Load()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TakesTheFamilysDefault_OnlyWhereTheFieldIsAbsent()
    {
        using var folder = new TestFolder();
        float? Softcap(string config) => ModelConfig.Load(folder.With("config.json", config).Path).FloatOrNone("final_logit_softcapping", 30f);

        Assert.Equal(30f, Softcap("""{"model_type":"gemma2"}"""));
        Assert.Equal(12f, Softcap("""{"model_type":"gemma2","final_logit_softcapping":12.0}"""));
        Assert.Null(Softcap("""{"model_type":"gemma2","final_logit_softcapping":null}"""));
    }

    [Theory]
    [InlineData("""{"type":"dynamic","factor":4.0}""", 0, 4096, 1)] // its texts end where it would begin to change
    [InlineData("""{"type":"yarn","factor":4.0,"original_max_position_embeddings":4096}""", 0, 16384, 1.1386294)]
    [InlineData("""{"type":"yarn","factor":4.0,"mscale":0.5,"mscale_all_dim":1.0}""", 0, 16384, 0.9391244)]
    [InlineData("""{"type":"su","short_factor":[1,2],"long_factor":[3,4],"original_max_position_embeddings":1024}""", 0, 4096, 1.0954451)]
    public void Rope_SaysHowLongATextMayBe_AndHowMuchItGrows(string scaling, int longest, int context, double magnitude)
    {
        var rope = Read(scaling, longest);

        Assert.Equal(context, rope.ContextLength);
        Assert.Equal(magnitude, rope.Magnitude, 1e-6);
    }

    [Theory]
    [InlineData(0, 1 / 3.0, 0.01 / 4)]
    [InlineData(1025, 1 / 3.0, 0.01 / 4)]
    [InlineData(1024, 1, 0.01 / 2)]
    public void LongRope_TakesTheFactors_ThatTheLongestServedTextNeeds(int longest, double first, double second)
    {
        var rope = Read("""{"type":"longrope","short_factor":[1,2],"long_factor":[3,4],"original_max_position_embeddings":1024}""", longest);

        Assert.Equal(first, rope.Frequencies[0], 1e-12);
        Assert.Equal(second, rope.Frequencies[1], 1e-12);
    }

    [Fact]
    public void Gemma3_GivesTheSameLogits_FromTheTextFileAndFromTheMultimodalOne()
    {
        using var text = TinyModel.Create("gemma3_text");
        var expected = LastLogits(text.Path);
        var config = File.ReadAllText(Path.Combine(text.Path, "config.json"));
        foreach (var prefix in new[] { "language_model.model.", "model.language_model." })
        {
            using var both = new TestFolder().With("config.json", $$"""{"model_type":"gemma3","text_config":{{config}},"vision_config":{},"mm_tokens_per_image":256}""");
            var head = prefix == "language_model.model." ? "language_model.lm_head." : "lm_head.";
            RenameTensors(Path.Combine(text.Path, "model.safetensors"), Path.Combine(both.Path, "model.safetensors"), name => name.StartsWith("model.", StringComparison.Ordinal) ? prefix + name[6..] : head + "weight");

            Assert.Equal(expected, LastLogits(both.Path));
        }
    }

    private static RopeFrequencies Read(string scaling, int longest)
    {
        using var folder = new TestFolder().With("config.json", $$"""{"model_type":"llama","rope_scaling":{{scaling}}}""");
        return RopeFrequencies.Read(ModelConfig.Load(folder.Path, longest), headDim: 4, positions: 4096);
    }

    private static float[] LastLogits(string folder)
    {
        var model = ModelLoader.Load(new EngineOptions { ModelPath = folder, Device = "cpu", Threads = 1 }, new CharacterTokenizer(TinyModel.Vocabulary));
        var logits = EngineRuns.LastLogits(model, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        model.Runner.Dispose();
        return logits;
    }

    // And adds a tensor of the vision model.
    private static void RenameTensors(string from, string to, Func<string, string> rename)
    {
        var bytes = File.ReadAllBytes(from);
        var length = (int)BitConverter.ToInt64(bytes);
        var data = bytes.AsSpan(8 + length);
        var header = new JsonObject(JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject().Select(t => KeyValuePair.Create(rename(t.Key), t.Value?.DeepClone())))
        {
            ["vision_tower.vision_model.post_layernorm.weight"] = JsonNode.Parse($$"""{"dtype":"F32","shape":[1],"data_offsets":[{{data.Length}},{{data.Length + 4}}]}"""),
        };
        var json = Encoding.UTF8.GetBytes(header.ToJsonString());
        File.WriteAllBytes(to, [.. BitConverter.GetBytes((long)json.Length), .. json, .. data, 0, 0, 0, 0]);
    }
}
