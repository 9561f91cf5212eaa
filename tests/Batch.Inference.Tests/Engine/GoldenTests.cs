using System.Runtime.InteropServices;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Inference.Layers;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Engine;

/// <summary>Trained checkpoints against what their authors' implementations computed.</summary>
public class GoldenTests
{
    [Fact]
    public async Task Stories260K_GivesItsPublishedText_Greedily()
    {
        using var reference = Reference("stories260K", "reference.json");
        await using var engine = LlmEngine.Load(new EngineOptions { ModelPath = TestData.Require("stories260K"), Device = "cpu" });
        var expected = reference.RootElement.GetProperty("greedy_text").GetString()!;

        var prompt = engine.Tokenizer.Encode(""); // <s>, the first of 200 positions
        var result = await engine.RunAsync("story", prompt, new SamplingParams { Temperature = 0, MaxTokens = 200 - prompt.Length }, TestContext.Current.CancellationToken);

        Assert.Equal(expected, result.Text);
        Assert.Equal(FinishReason.Length, result.Reason);
        Assert.Equal(199, result.Tokens);
    }

    [Fact]
    public void Stories260K_GivesTheReferenceLogits()
    {
        using var reference = Reference("stories260K", "reference.json");
        var model = ModelLoader.Load(new EngineOptions { ModelPath = TestData.Require("stories260K"), Device = "cpu" });
        var prompt = reference.RootElement.GetProperty("prompt_ids").EnumerateArray().Select(v => v.GetInt32()).ToArray();

        var logits = EngineRuns.LastLogits(model, prompt);

        foreach (var pair in reference.RootElement.GetProperty("prompt_last_logits_top5").EnumerateArray())
        {
            Assert.Equal(pair[1].GetSingle(), logits[pair[0].GetInt32()], 1e-4f);
        }
        model.Runner.Dispose();
    }

    [Fact]
    public void NanoSort_GivesPyTorchsActivations()
    {
        using var reference = Reference("gpt-nano-sort", "gpt-nano-sort-t0-partials.json");
        var model = NanoSort();
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        var ids = Floats(reference.RootElement.GetProperty("idx")).Select(f => (long)f).ToArray(); // [3, 11]
        var length = (int)ids.Length / 3;

        // The three rows as three sequences of one ragged batch.
        var slots = Enumerable.Range(0, ids.Length).Select(i => (long)i).ToArray();
        var spans = Enumerable.Range(0, 3).Select(row => new AttentionSpan(row * length, length, slots[(row * length)..((row + 1) * length)])).ToArray();
        using var cache = new KvCache(model.Runner.Model, ids.Length, ScalarType.Float32, CPU);
        var hidden = model.Runner.Model.Forward(tensor(ids), tensor(slots).remainder(length), new PagedAttention(cache, slots, spans));
        var logits = model.Runner.Model.Head(hidden);

        AssertClose(Floats(reference.RootElement.GetProperty("ln_f")), hidden);
        AssertClose(Floats(reference.RootElement.GetProperty("lm_head")), logits);
        AssertClose(Floats(reference.RootElement.GetProperty("probs")), logits.softmax(-1));
        AssertClose(Floats(reference.RootElement.GetProperty("k")), ByRow(cache.Keys[0]));
        AssertClose(Floats(reference.RootElement.GetProperty("v")), ByRow(cache.Values[0]));
        model.Runner.Dispose();
    }

    [Fact]
    public void NanoSort_SortsEveryInput()
    {
        var model = NanoSort();
        var sorted = 0;
        for (var code = 0; code < 729; code++)
        {
            var digits = Enumerable.Range(0, 6).Select(i => code / (int)Math.Pow(3, i) % 3).ToArray();
            sorted += EngineRuns.NaiveGreedy(model, digits, 6).SequenceEqual(digits.Order()) ? 1 : 0;
        }
        model.Runner.Dispose();
        Assert.Equal(729, sorted);
    }

    private static LoadedModel NanoSort() => ModelLoader.Load(new EngineOptions { ModelPath = TestData.Require("gpt-nano-sort", "hf"), Device = "cpu" }, new CharacterTokenizer(3));

    private static JsonDocument Reference(params string[] path) => JsonDocument.Parse(File.ReadAllBytes(TestData.Require(path)));

    private static float[] Floats(JsonElement array) => MemoryMarshal.Cast<byte, float>(Convert.FromBase64String(array.GetProperty("data").GetString()!)).ToArray();

    // [3 * time + scratch, heads, dim] as the reference has it: [3, heads, time, dim]
    private static Tensor ByRow(Tensor cached) => cached.narrow(0, 0, 33).view(3, 11, cached.shape[1], cached.shape[2]).transpose(1, 2);

    private static void AssertClose(float[] expected, Tensor actual)
    {
        var values = actual.reshape(-1).data<float>().ToArray();
        Assert.Equal(expected.Length, values.Length);
        Assert.Equal(0f, expected.Zip(values, (e, a) => Math.Abs(e - a)).Max(), 1e-5f);
    }
}
