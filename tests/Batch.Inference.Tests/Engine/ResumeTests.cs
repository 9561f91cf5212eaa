using System.Text.Json;
using System.Text.Json.Serialization;
using Batch.Inference.Engine;
using Batch.Inference.Engine.StructuredOutput;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

/// <summary>A text that is cut off anywhere and gone on with elsewhere is the text without a cut, and so is everything told of it.</summary>
public class ResumeTests
{
    private const int Requests = 160;

    private static readonly JsonSerializerOptions Exact = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    // What a text must be, where its alphabet is that of the tokenizer: one CJK character a token.
    private static readonly Gen<StructuredOutputParams?> Structures = Gen.Int[0, 5].Select(kind => kind switch
    {
        0 => new StructuredOutputParams { Regex = "(一|丁){2,9}丂+[七-万]*" },
        1 => new StructuredOutputParams { Choice = ["一丁丂七丄", "一丁丂", "万丈三上"] },
        _ => null,
    });

    private static readonly Gen<SamplingParams> Parameters = Gen.Select(RandomRequestTests.Parameters, Structures, Gen.Int[1, 24], Gen.Bool).Select((sampling, structure, tokens, scored) => sampling with
    {
        MaxTokens = tokens,
        MinTokens = Math.Min(sampling.MinTokens, tokens),
        StructuredOutputs = structure,
        NoRepeatNgramSize = structure is null ? sampling.NoRepeatNgramSize : 0,
        PromptLogprobs = scored && sampling.Logprobs is not null ? 2 : null,
    });

    [Fact]
    public async Task GenerateAsync_GoesOnExactly_FromEveryDrawOfARandomRequest()
    {
        using var folder = TinyModel.Create("llama", config: c => c["eos_token_id"] = 3);
        await using var first = folder.Engine(o => (o.CacheTokens, o.BlockSize) = (800, 8));
        await using var second = folder.Engine(o => (o.CacheTokens, o.BlockSize, o.MaxBatchedTokens) = (400, 4, 48)); // cuts, shares and preempts otherwise
        var (cuts, ruled, retracted) = (0, 0, 0);

        await Gen.Select(Gen.Int[0, 259].Array[1, 20], Parameters).SampleAsync(async (prompt, sampling) =>
        {
            var request = new GenerationRequest("resumed", prompt, Validated(sampling));
            if (await RunAsync(first, request) is not { } whole)
            {
                return; // the parameters leave no token
            }
            var recorder = new CheckpointRecorder();
            var resumed = new List<Task<List<GenerationUpdate>?>>();
            foreach (var update in whole)
            {
                recorder.Add(update);
                if (update.Drawn is not null)
                {
                    resumed.Add(RunAsync(second, request with { Resume = recorder.Take() }));
                }
            }
            foreach (var run in resumed)
            {
                Assert.Equal(Told(whole), Told((await run)!));
            }
            cuts += resumed.Count;
            ruled += whole[^1].Interventions?.Count > 0 ? 1 : 0;
            retracted += whole.Any(update => update.Retracted > 0) ? 1 : 0;
        }, iter: Requests, threads: 1);

        Assert.True(cuts > 5 * Requests && ruled > 5 && retracted > 0, $"{cuts} cuts, {ruled} with rules, {retracted} rolled back");
    }

    [Fact]
    public async Task GenerateAsync_ComputesNoDrawAgain_ThatTheCheckpointHolds()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var request = new GenerationRequest("counted", [1, 2, 3], new SamplingParams { MaxTokens = 20, Seed = 4, IgnoreEos = true }.Validate());
        var whole = (await RunAsync(engine, request))!;
        var recorder = new CheckpointRecorder();
        whole.ForEach(recorder.Add);
        var before = engine.DrawnTokens;

        Assert.Equal(Told(whole), Told((await RunAsync(engine, request with { Resume = recorder.Take() }))!));
        var between = engine.DrawnTokens;
        Assert.Equal(Told(whole), Told((await RunAsync(engine, request with { Resume = new GenerationCheckpoint([.. recorder.Take().Drawn.Take(15)]) }))!));

        Assert.Equal((0, 5), (between - before, engine.DrawnTokens - between));
    }

    [Theory]
    [InlineData(new[] { 5, 9999 })] // an id that the model does not have
    [InlineData(new[] { 3, 5 })] // a text that ends before the last draw
    [InlineData(new[] { 77 })] // a token that the structured output does not allow
    public async Task GenerateAsync_BeginsAnew_WhenTheCheckpointDoesNotFit(int[] drawn)
    {
        using var folder = TinyModel.Create("llama", config: c => c["eos_token_id"] = 3);
        await using var engine = folder.Engine(o => o.PrefixCaching = false);
        var request = new GenerationRequest("misfit", [1, 2, 3], new SamplingParams { MaxTokens = 6, Seed = 4, StructuredOutputs = drawn is [77] ? new() { Regex = "一{6}" } : null }.Validate());

        var resumed = await RunAsync(engine, request with { Resume = new GenerationCheckpoint([.. drawn.Select(id => new DrawnToken(id, 0, null))]) });

        Assert.Equal(Told((await RunAsync(engine, request))!), Told(resumed!));
    }

    private static string Told(List<GenerationUpdate> updates) => JsonSerializer.Serialize(updates, Exact);

    private static SamplingParams Validated(SamplingParams sampling)
    {
        try
        {
            return sampling.Validate();
        }
        catch (ArgumentException)
        {
            return (sampling with { Interventions = null, StructuredOutputs = null }).Validate();
        }
    }

    private static async Task<List<GenerationUpdate>?> RunAsync(LlmEngine engine, GenerationRequest request)
    {
        try
        {
            return await engine.GenerateAsync(request).ToListAsync();
        }
        catch (GenerationRefusedException)
        {
            return null;
        }
    }
}
