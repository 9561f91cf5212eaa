using Batch.Inference.Engine;
using Batch.Inference.Engine.StructuredOutput;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

/// <summary>Guessed tokens change how many steps a text takes, and nothing else.</summary>
public class PromptLookupTests
{
    private static readonly int[] Few = [1, 2, 3, 4];

    private static readonly Gen<SamplingParams> Parameters = Gen.Select(
        Gen.Select(Gen.Int[1, 40], Gen.Int[0, 6], Gen.Float[0f, 1.5f], Gen.Int[-1, 5], Gen.Float[0.5f, 1f], Gen.ULong),
        Gen.Select(Gen.Float[0.8f, 1.5f], Gen.Float[-1f, 1f], Gen.Int[0, 3], Gen.Float[0f, 1f], Gen.Int[0, 3], Gen.Int[0, 5])).Select((a, b) => new SamplingParams
        {
            MaxTokens = a.Item1,
            MinTokens = Math.Min(a.Item2, a.Item1),
            Temperature = a.Item3 < 0.5f ? 0f : a.Item3,
            TopK = a.Item4,
            TopP = a.Item5,
            Seed = a.Item6,
            AllowedTokenIds = Few,
            RepetitionPenalty = b.Item1 < 1f ? 1f : b.Item1,
            FrequencyPenalty = Math.Max(0f, b.Item2),
            NoRepeatNgramSize = b.Item3 == 3 ? 5 : 0,
            DryMultiplier = b.Item4 < 0.7f ? 0f : b.Item4,
            Stop = b.Item5 == 3 ? ["丁丁丁", "七丁"] : [],
            Logprobs = b.Item6 == 0 ? 2 : null,
            Interventions = b.Item6 switch
            {
                1 => [new(new() { Regex = "丁七" }, [new() { Rollback = new() { Match = true, Ban = true } }], 2)],
                2 => [new(new() { Every = 5 }, [new() { Inject = "丁丂" }, new() { Set = new() { Temperature = 0f } }], 3)],
                3 => [new(new() { Tokens = 9 }, [new() { Rollback = new() { Tokens = 2 } }, new() { Inject = "丁丂" }], 3)],
                _ => null,
            },
            StructuredOutputs = b.Item6 == 4 ? new StructuredOutputParams { Regex = "(丁丂七){1,9}上" } : null,
        });

    [Theory]
    [InlineData("llama", "float32", 2000)]
    [InlineData("gpt2", "bfloat16", 200)] // with preemption
    public async Task GenerateAsync_TellsTheSame_WithGuessesAndWithout(string family, string dtype, int cacheTokens)
    {
        using var folder = TinyModel.Create(family);
        LlmEngine Engine(int guesses) => folder.Engine(o => (o.PromptLookupTokens, o.DType, o.CacheTokens, o.BlockSize, o.MaxBatchedTokens) = (guesses, dtype, cacheTokens, 4, 64));
        await using var plain = Engine(0);
        await using var guessing = Engine(12);
        var requests = Gen.Select(Gen.Int[1, 4].Array[1, 40], Parameters).Array[1, 10];

        await requests.SampleAsync(async batch =>
        {
            var expected = await Task.WhenAll(batch.Select((r, i) => TellAsync(plain, $"{i}", r.Item1, r.Item2)));
            Assert.Equal(expected, await Task.WhenAll(batch.Select((r, i) => TellAsync(guessing, $"{i}", r.Item1, r.Item2))));
        }, iter: 30, threads: 1);

        Assert.Equal(0, plain.GuessedTokens);
        Assert.InRange(guessing.ConfirmedTokens, 50, guessing.GuessedTokens);
        Assert.Equal(cacheTokens < 1000, guessing.Preemptions > 0);
    }

    [Fact]
    public async Task GenerateAsync_TakesFewerSteps_WhereTheTextFollowsThePrompt()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine(o => o.PromptLookupTokens = 16);
        const string Copied = "丁丂七丄丅丆万丈三上下丌不与丏丐丑丒专且";
        var prompt = new CharacterTokenizer(TinyModel.Vocabulary).Encode(Copied + "一");
        var sampling = new SamplingParams { MaxTokens = 40, StructuredOutputs = new StructuredOutputParams { Choice = [Copied] } };

        var written = await engine.RunAsync("copy", prompt, sampling, TestContext.Current.CancellationToken);

        Assert.Equal(Copied, written.Text);
        Assert.InRange(engine.ConfirmedTokens, 15, 20);
    }

    [Fact]
    public void Guess_FollowsTheLatestPlaceOfTheLongestEnding_AndRepeatsItselfBeyondTheEnd()
    {
        PromptLookup New(int most = 6) => new(most, longestNgram: 3, longest: 100);

        Assert.Equal([9, 1, 2, 3], New().Guess([1, 2, 3, 8, 1, 2, 3, 9, 1, 2, 3], 10).ToArray()); // the first guess is of 4
        Assert.Equal([7, 5], New().Guess([4, 5, 6, 7, 5, 6, 8, 4, 5, 6], 2).ToArray()); // [4 5 6] stood before, [5 6] later
        Assert.Equal([2, 1, 2, 1], New().Guess([1, 2, 1, 2, 1], 10).ToArray());
        Assert.Equal(0, New().Guess([1, 2, 3, 4], 10).Length);
        Assert.Equal(0, New().Guess([1], 10).Length);
        Assert.Equal(1, new PromptLookup(6, 3, longest: 7).Guess([1, 2, 1, 2, 1], 10).Length); // one more is drawn after it
    }

    [Fact]
    public void Guess_GrowsWhileItComesTrue_AndPausesWhileItDoesNot()
    {
        var lookup = new PromptLookup(16, 3, 1000);
        List<int> tokens = [1, 2, 1, 2, 1, 2];
        int Steps(int guessed, int right)
        {
            lookup.Observe(guessed, right);
            var steps = 1;
            while (lookup.Guess(tokens, 32).Length == 0)
            {
                steps++;
            }
            return steps;
        }

        lookup.Observe(4, 4);
        Assert.Equal(8, lookup.Guess(tokens, 32).Length);
        lookup.Observe(8, 8);
        lookup.Observe(16, 16);
        Assert.Equal(16, lookup.Guess(tokens, 32).Length);
        lookup.Observe(16, 3);
        Assert.Equal(3, lookup.Guess(tokens, 32).Length);
        Assert.Equal([2, 4, 8, 16, 32, 64, 64], Enumerable.Range(0, 7).Select(_ => Steps(3, 0)));
        Assert.Equal(1, Steps(1, 1));

        Assert.NotEqual(0, lookup.Guess(tokens, 32, worth: 0.5).Length); // half of the last two
        Assert.Equal(0, lookup.Guess(tokens, 32, worth: 0.6).Length);
    }

    private static async Task<string> TellAsync(LlmEngine engine, string id, int[] prompt, SamplingParams sampling)
    {
        var told = new List<string>();
        try
        {
            await foreach (var update in engine.GenerateAsync(new GenerationRequest(id, prompt, sampling.Validate()), TestContext.Current.CancellationToken))
            {
                told.Add($"{update.Text} -{update.Retracted} {update.CompletionTokens} {update.FinishReason} {update.StopReason} {update.Logprobs?.Logprob} {string.Join(',', update.TokenIds ?? [])} {string.Join(';', update.Interventions ?? [])}");
            }
        }
        catch (GenerationRefusedException e)
        {
            told.Add(e.Message);
        }
        return string.Join('\n', told);
    }
}
