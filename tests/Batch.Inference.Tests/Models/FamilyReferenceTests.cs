using Batch.Benchmarks.References;
using Batch.Inference.Engine;
using Batch.Inference.Tests.Engine;

namespace Batch.Inference.Tests.Models;

/// <summary>
/// Every family and setting against what llama.cpp computed from the same weights (References/*.json; `dotnet run --project benchmarks -- reference` writes
/// them anew). The weights are drawn again from their seed.
/// </summary>
public class FamilyReferenceTests
{
    // Of the largest logit. float32 on both sides; llama.cpp's GELU reads a float16 table, which GPT-2 and Gemma show.
    private const float Tolerance = 2e-5f;
    private const float GeluTolerance = 1e-3f;
    private const float BFloat16Tolerance = 0.06f; // 8 bits for each of a random model's large numbers

    public static TheoryData<string> Names => new(Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "References"), "*.json").Select(Path.GetFileNameWithoutExtension).Order()!);

    [Theory]
    [MemberData(nameof(Names))]
    public void Forward_GivesTheLogitsOfTheReference(string name)
    {
        using var checkpoint = new Checkpoint(name);
        var reference = checkpoint.Reference;
        var model = checkpoint.Load();
        var largest = reference.Logits.SelectMany(row => row).Max(Math.Abs);
        var worst = 0f;
        foreach (var (position, expected) in reference.Positions.Zip(reference.Logits))
        {
            var logits = EngineRuns.LastLogits(model, reference.Prompt[..(position + 1)]);
            worst = Math.Max(worst, expected.Zip(logits, (e, a) => Math.Abs(e - a)).Max());
        }
        model.Runner.Dispose();

        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: differs by {worst / largest:0.0e0} of the largest logit {largest:0.0}");
        Assert.InRange(worst / largest, 0, name.StartsWith("gpt2", StringComparison.Ordinal) || name.StartsWith("gemma", StringComparison.Ordinal) ? GeluTolerance : Tolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Forward_IsNearTheReference_InBFloat16(string name)
    {
        using var checkpoint = new Checkpoint(name);
        var reference = checkpoint.Reference;
        var model = checkpoint.Load("bfloat16");
        var logits = EngineRuns.LastLogits(model, reference.Prompt);
        model.Runner.Dispose();

        var (worst, largest) = (reference.Logits[^1].Zip(logits, (e, a) => Math.Abs(e - a)).Max(), reference.Logits[^1].Max(Math.Abs));
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: differs by {worst / largest:0.000} of the largest logit in bfloat16");
        Assert.InRange(worst / largest, 0, BFloat16Tolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task GenerateAsync_GivesTheTokensOfTheReference_Greedily(string name)
    {
        using var checkpoint = new Checkpoint(name);
        await using var engine = new LlmEngine(checkpoint.Load(), new EngineOptions { ModelPath = checkpoint.Path }, null);
        var sampling = new SamplingParams { Temperature = 0, MaxTokens = checkpoint.Reference.Greedy.Length };

        var result = await engine.RunAsync("greedy", checkpoint.Reference.Prompt, sampling, TestContext.Current.CancellationToken);

        Assert.Equal(engine.Tokenizer.Decode(checkpoint.Reference.Greedy), result.Text);
    }

    /// <summary>The checkpoint that a reference was computed from, in a folder of its own.</summary>
    private sealed class Checkpoint : IDisposable
    {
        private readonly TestFolder _folder = new();

        public Checkpoint(string name)
        {
            Reference = Reference.Load(System.IO.Path.Combine(AppContext.BaseDirectory, "References", $"{name}.json"));
            RandomCheckpoint.Write(Path, Reference.Config.GetRawText(), Reference.Seed);
        }

        public Reference Reference { get; }

        public string Path => _folder.Path;

        public LoadedModel Load(string dtype = "float32") => ModelLoader.Load(
            new EngineOptions { ModelPath = Path, Device = "cpu", DType = dtype, Threads = 1 }, new CharacterTokenizer(Reference.Config.GetProperty("vocab_size").GetInt32()));

        public void Dispose() => _folder.Dispose();
    }
}
