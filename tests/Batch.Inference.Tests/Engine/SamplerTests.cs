using Batch.Inference.Engine;
using Batch.Inference.Engine.Logits;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

public class SamplerTests
{
    // Probabilities 0.5, 0.25, 0.15, 0.1 at ids 2, 0, 3, 1.
    private static readonly float[] Logits = [MathF.Log(0.25f), MathF.Log(0.1f), MathF.Log(0.5f), MathF.Log(0.15f)];

    private static int[] Draws(SamplingParams sampling, float[]? logits = null) => Enumerable.Range(0, 1000)
        .Select(i => new RowSampler(4).Draw(logits ?? Logits, sampling, (i + 0.5) / 1000)).ToArray();

    private static double[] Shares(int[] draws) => Enumerable.Range(0, 4).Select(id => draws.Count(d => d == id) / 1000.0).ToArray();

    public static TheoryData<SamplingParams, double[]> ByHand => new()
    {
        { new SamplingParams(), [0.25, 0.1, 0.5, 0.15] },
        { new SamplingParams { Temperature = 0.5f }, [0.0625 / 0.345, 0.01 / 0.345, 0.25 / 0.345, 0.0225 / 0.345] },
        { new SamplingParams { TopK = 2 }, [1 / 3.0, 0, 2 / 3.0, 0] },
        { new SamplingParams { TopK = 1 }, [0, 0, 1, 0] },
        { new SamplingParams { TopP = 0.7f }, [1 / 3.0, 0, 2 / 3.0, 0] },
        { new SamplingParams { TopP = 0.3f }, [0, 0, 1, 0] },
        { new SamplingParams { TopP = 0.8f }, [0.25 / 0.9, 0, 0.5 / 0.9, 0.15 / 0.9] },
        { new SamplingParams { MinP = 0.4f }, [1 / 3.0, 0, 2 / 3.0, 0] },
        { new SamplingParams { MinP = 0.25f }, [0.25 / 0.9, 0, 0.5 / 0.9, 0.15 / 0.9] },
        { new SamplingParams { TopK = 3, TopP = 0.8f }, [1 / 3.0, 0, 2 / 3.0, 0] },
    };

    [Theory]
    [MemberData(nameof(ByHand))]
    public void Draw_FollowsTheDistributionComputedByHand(SamplingParams sampling, double[] expected)
    {
        var shares = Shares(Draws(sampling));
        for (var id = 0; id < 4; id++)
        {
            Assert.Equal(expected[id], shares[id], 0.0015);
        }
    }

    [Fact]
    public void Draw_KeepsExactlyTheNucleus_OfLargeVocabularies()
    {
        Gen.Select(Gen.Float[-8f, 8f].Array[300, 2000], Gen.Float[0.05f, 0.999f], Gen.Int[0, 400], Gen.Double[0, 0.999999]).Sample((logits, topP, topK, uniform) =>
        {
            var sampling = new SamplingParams { TopP = topP, TopK = topK };
            var chosen = new RowSampler(logits.Length).Draw(logits, sampling, uniform);
            Assert.Contains(chosen, Nucleus(logits, topP, topK));
        }, iter: 300);
    }

    // The plain reading: sort all, keep k, keep the nucleus, one more for rounding.
    private static HashSet<int> Nucleus(float[] logits, float topP, int topK)
    {
        var order = logits.Select((logit, id) => (Weight: Math.Exp(logit - logits.Max()), id)).OrderByDescending(c => c.Weight).ThenBy(c => c.id).ToList();
        order = topK > 0 ? order[..Math.Min(topK, order.Count)] : order;
        var (sum, total) = (0.0, order.Sum(c => c.Weight));
        var kept = order.TakeWhile(c => (sum += c.Weight) - c.Weight < topP * total).Count();
        return order.Take(kept + 1).Select(c => c.id).ToHashSet();
    }

    [Fact]
    public void Sample_PenalisesRepetition_PositiveAndNegativeLogits()
    {
        var sequence = Sequence([0, 1], new SamplingParams { Temperature = 0, RepetitionPenalty = 2f });
        Assert.Equal(2, Sample([4f, -1f, 2.5f], sequence)); // 4 / 2 < 2.5
        Assert.Equal(2, Sample([-1f, -1f, -1.5f], sequence)); // -1 * 2 < -1.5
    }

    [Fact]
    public void Sample_HoldsBackEndOfText_BelowMinTokens()
    {
        var sequence = Sequence([0], new SamplingParams { Temperature = 0, MinTokens = 1 }, endOfText: 2);
        Assert.Equal(1, Sample([0f, 1f, 5f], sequence));
        sequence.Append(1);
        Assert.Equal(2, Sample([0f, 1f, 5f], sequence));
    }

    [Theory]
    [InlineData(0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(0xffffffffu, 0xffffffffu, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    public void Philox_GivesItsPublishedVectors(uint counter, uint key, uint a, uint b, uint c, uint d) =>
        Assert.Equal((a, b, c, d), CounterRandom.Philox(counter, counter, counter, counter, key, key));

    public static TheoryData<SamplingParams, string> OutOfRange => new()
    {
        { new SamplingParams { MaxTokens = 0 }, "max_tokens must be at least 1, was 0" },
        { new SamplingParams { MinTokens = 9, MaxTokens = 8 }, "min_tokens must be from 0 to max_tokens (8), was 9" },
        { new SamplingParams { Temperature = 2.5f }, "temperature must be from 0 to 2, was 2.5" },
        { new SamplingParams { Temperature = float.NaN }, "temperature must be from 0 to 2, was NaN" },
        { new SamplingParams { TopK = -2 }, "top_k must be at least 1, or 0 or -1 for all tokens, was -2" },
        { new SamplingParams { TopP = 0 }, "top_p must be above 0 and at most 1, was 0" },
        { new SamplingParams { MinP = 1.5f }, "min_p must be from 0 to 1, was 1.5" },
        { new SamplingParams { RepetitionPenalty = 0 }, "repetition_penalty must be a finite number above 0, was 0" },
        { new SamplingParams { Stop = [""] }, "stop must be non-empty strings, was an empty string" },
    };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void Validate_NamesParameterAndRange_WhenOutOfRange(SamplingParams sampling, string message) =>
        Assert.StartsWith(message, Assert.Throws<ArgumentException>(sampling.Validate).Message, StringComparison.Ordinal);

    private static int Sample(float[] logits, Sequence sequence) => Assert.Single(new Sampler(logits.Length).Sample(logits, logits.Length, [sequence])).Id;

    private static Sequence Sequence(int[] prompt, SamplingParams sampling, params int[] endOfText)
    {
        var tokenizer = new CharacterTokenizer(8);
        return new(new GenerationRequest("s", prompt, sampling.Validate()), 1, new TextStream(tokenizer, []), 0) { Processors = new LogitsProcessors(tokenizer, endOfText).Create(sampling) };
    }
}
