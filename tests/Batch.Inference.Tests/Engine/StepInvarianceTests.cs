using Batch.Inference.Engine;
using Batch.Inference.Layers;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Engine;

/// <summary>
/// What makes a text the same alone, in any batch and after a preemption: a token's logits do not depend, by a single bit, on how the tokens
/// before it were cut into steps.
/// </summary>
public class StepInvarianceTests
{
    private const int Length = 90;

    [Theory]
    [InlineData("gpt2", 1, "float32")]
    [InlineData("gpt2", 2, "float32")]
    [InlineData("llama", 1, "float32")]
    [InlineData("llama", 2, "float32")]
    [InlineData("llama", 2, "bfloat16")]
    [InlineData("mistral", 1, "float32")]
    [InlineData("phi3", 1, "float32")]
    [InlineData("gemma2", 2, "float32")]
    [InlineData("gemma3_text", 1, "bfloat16")]
    [InlineData("llama", 2, "bfloat16", "int8")]
    [InlineData("gpt2", 1, "float32", "int8")]
    public void Run_GivesTheSameLogits_BitForBit_HoweverTheTokensAreCutIntoSteps(string family, int threads, string dtype, string weights = "auto")
    {
        Assert.SkipUnless(weights == "auto" || PackedLinear.Serves(dtype == "bfloat16" ? ScalarType.BFloat16 : ScalarType.Float32), $"this processor has no packed {dtype} kernel");
        using var folder = TinyModel.Create(family);
        var model = ModelLoader.Load(new EngineOptions { ModelPath = folder.Path, Device = "cpu", Threads = threads, DType = dtype, WeightDType = weights }, new CharacterTokenizer(TinyModel.Vocabulary));
        var ids = EngineRuns.Prompts(60, 60).SelectMany(p => p).Take(Length).ToArray();
        foreach (var prompt in new[] { 17, 65, Length })
        {
            var once = Run(model, ids, prompt, [prompt, .. Enumerable.Range(prompt + 1, Length - prompt)]);
            foreach (var cuts in new int[][] { [], [10], [60, 64], [3, 17, 18, 66, 89] })
            {
                Assert.Equal(once, Run(model, ids, prompt, [.. cuts, Length]));
            }
        }
        model.Runner.Dispose();
    }

    // The logits after the last token, when the first [prompt] tokens are the prompt, the others its text, and each step ends at one of [ends].
    private static float[] Run(LoadedModel model, int[] ids, int prompt, int[] ends)
    {
        var sequence = new Sequence(new GenerationRequest("cut", ids[..prompt], new SamplingParams()), 0, new TextStream(model.Tokenizer, []), 0);
        Assert.True(model.Blocks.TryGrow(sequence.Blocks, ids.Length));
        ids.Skip(prompt).ToList().ForEach(sequence.Append);
        float[] logits = [];
        foreach (var end in ends)
        {
            var share = new ScheduledSequence(sequence, end - sequence.ComputedTokens);
            logits = model.Runner.Run([share]).ToArray();
            sequence.ComputedTokens = end;
        }
        model.Blocks.Release(sequence.Blocks);
        return logits;
    }
}
