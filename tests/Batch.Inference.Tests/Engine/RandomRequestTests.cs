using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Inference.Engine.Interventions;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

/// <summary>Whatever is asked for: no hang, no crash, no leak, and a neighbour of known text keeps it.</summary>
public class RandomRequestTests
{
    private const int Requests = 10_000;
    private const int AtOnce = 50;

    private static readonly SamplingParams Known = new() { Temperature = 1f, Seed = 99, MaxTokens = 12 };

    private static readonly Gen<string> Words = Gen.OneOf(Gen.Const("一"), Gen.Const("丁丂"), Gen.Const("🌊"), Gen.Const("e\u0301"), Gen.String[1, 3].Where(s => !string.IsNullOrWhiteSpace(s)));

    private static readonly Gen<Intervention[]?> Rules =
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 4], Gen.Int[1, 6], Gen.Bool).Select((when, then, n, ban) => n == 1 ? null : new Intervention[]
        {
            new(
                when switch { 0 => new() { Tokens = n }, 1 => new() { Every = n }, 2 => new() { Regex = "[\u4e00-\u4e60]" }, _ => new() { Entropy = new() { Above = 1, For = n } } },
                [then switch { 0 => new() { Inject = "一丁" }, 1 => new() { Rollback = new() { Tokens = n, Ban = ban } }, 2 => new() { Stop = true }, 3 => new() { Ban = new() { TokenIds = [n] } }, _ => new() { Set = new() { Temperature = 0.5f } } }],
                3),
        });

    internal static readonly Gen<SamplingParams> Parameters = Gen.Select(
        Gen.Select(Gen.Int[1, 8], Gen.Int[0, 4], Gen.Float[0f, 2f], Gen.Int[-1, 300], Gen.Float[0.01f, 1f], Gen.Float[0f, 1f], Gen.Float[0.5f, 2f], Gen.ULong),
        Gen.Select(Gen.Float[-2f, 2f], Gen.Int[0, 3], Gen.Float[0f, 1f], Words.Array[0, 2], Gen.Int[0, 259].Array[0, 2], Gen.Int[0, 5], Gen.Bool),
        Rules).Select((a, b, rules) => new SamplingParams
        {
            MaxTokens = a.Item1,
            MinTokens = Math.Min(a.Item2, a.Item1),
            Temperature = a.Item3 < 0.3f ? 0f : a.Item3,
            TopK = a.Item4,
            TopP = a.Item5,
            MinP = a.Item6 * a.Item6,
            RepetitionPenalty = a.Item7,
            Seed = a.Item8,
            FrequencyPenalty = b.Item1,
            PresencePenalty = -b.Item1,
            NoRepeatNgramSize = b.Item2,
            DryMultiplier = b.Item3 < 0.5f ? 0f : b.Item3,
            Stop = b.Item4,
            StopTokenIds = b.Item5,
            Logprobs = rules is null && b.Item6 > 2 ? b.Item6 : null,
            IgnoreEos = b.Item7,
            Interventions = rules,
        });

    [Fact]
    public async Task GenerateAsync_EndsEveryRandomRequest_AndLeavesTheNeighbourAlone()
    {
        using var folder = TinyModel.Create("llama", config: c => c["eos_token_id"] = 3);
        var model = ModelLoader.Load(new EngineOptions { ModelPath = folder.Path, Device = "cpu", Threads = 1, CacheTokens = 800, BlockSize = 8 }, new CharacterTokenizer(TinyModel.Vocabulary));
        await using var engine = new LlmEngine(model, new EngineOptions { ModelPath = folder.Path, MaxBatchedTokens = 128 }, null);
        var expected = (await engine.RunAsync("known", [5, 6], Known, TestContext.Current.CancellationToken)).Text;
        var requests = Gen.Select(Gen.Int[0, 259].Array[0, 20], Parameters);
        var (ended, refused) = (0, 0);

        async Task Run(string id, int[] prompt, SamplingParams sampling)
        {
            try
            {
                var written = await engine.RunAsync(id, prompt, sampling);
                Assert.True(written.Tokens <= sampling.MaxTokens);
                Interlocked.Increment(ref ended);
            }
            catch (ArgumentException)
            {
                Interlocked.Increment(ref refused); // an empty prompt, or parameters that leave no token
            }
        }

        await requests.Array[AtOnce].SampleAsync(async batch =>
        {
            var company = batch.Select((r, i) => Run($"{i}", r.Item1, r.Item2)).ToList();
            var known = engine.RunAsync("known", [5, 6], Known);
            await Task.WhenAll([known, .. company]).WaitAsync(TimeSpan.FromMinutes(1));
            Assert.Equal(expected, (await known).Text);
        }, iter: Requests / AtOnce, threads: 1);

        Assert.Equal(Requests, ended + refused);
        Assert.True(ended > Requests / 2);
        Assert.Equal(model.Blocks.Blocks, model.Blocks.Free);
    }

    [Fact]
    public async Task GenerateAsync_BoundsWhatIsAbsurdlyLarge()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var sampling = new SamplingParams
        {
            MaxTokens = int.MaxValue,
            Seed = 1,
            Stop = [.. Enumerable.Range(0, 16).Select(i => new string('一', 990) + i)],
            LogitBias = Enumerable.Range(0, TinyModel.Vocabulary).ToDictionary(i => i, _ => 1f),
        };

        var whole = await engine.RunAsync("long", [1, 2], sampling, TestContext.Current.CancellationToken);
        var last = await engine.RunAsync("full", new int[TinyModel.Context - 1], sampling, TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAnyAsync<ArgumentException>(() => engine.RunAsync("biased", [1], sampling with { LogitBias = Enumerable.Range(0, 100_000).ToDictionary(i => i, _ => 1f) }, TestContext.Current.CancellationToken));

        Assert.Equal((TinyModel.Context - 2, FinishReason.Length), (whole.Tokens, whole.Reason));
        Assert.Equal((1, FinishReason.Length), (last.Tokens, last.Reason));
        Assert.Contains("logit_bias must be of ids below 260", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GenerateAsync_FailsTheSequenceAlone_WhenItsLogitsAreNoNumbers()
    {
        using var folder = TinyModel.Create("llama");
        PoisonToken(Path.Combine(folder.Path, "model.safetensors"), 7);
        await using var engine = folder.Engine();
        var alone = await engine.RunAsync("alone", [5, 6], Known with { AllowedTokenIds = [1, 2, 3, 4] }, TestContext.Current.CancellationToken);

        var poisoned = Enumerable.Range(0, 5).Select(i => engine.RunAsync($"p{i}", [5, 6, 7, 8 + i], Known)).ToList();
        var beside = await engine.RunAsync("beside", [5, 6], Known with { AllowedTokenIds = [1, 2, 3, 4] }, TestContext.Current.CancellationToken);

        Assert.Equal(alone, beside);
        foreach (var one in poisoned)
        {
            Assert.Contains("no numbers (NaN or infinity)", (await Assert.ThrowsAsync<InvalidDataException>(() => one)).Message, StringComparison.Ordinal);
        }
    }

    // Overwrites the embedding of one token with NaN: header length, header, then float32 data.
    private static void PoisonToken(string path, int token)
    {
        var bytes = File.ReadAllBytes(path);
        var header = (int)BitConverter.ToInt64(bytes);
        using var json = JsonDocument.Parse(bytes.AsMemory(8, header));
        var start = json.RootElement.GetProperty("model.embed_tokens.weight").GetProperty("data_offsets")[0].GetInt32();
        for (var i = 0; i < 32; i++)
        {
            BitConverter.TryWriteBytes(bytes.AsSpan(8 + header + start + ((token * 32) + i) * 4), float.NaN);
        }
        File.WriteAllBytes(path, bytes);
    }
}
