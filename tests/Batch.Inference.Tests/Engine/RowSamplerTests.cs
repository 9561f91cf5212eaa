using Batch.Inference.Engine;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

public class RowSamplerTests
{
    /// <summary>The plain reading: all weights, a full sort, one cut after the other, one walk.</summary>
    private static int Naive(float[] logits, SamplingParams sampling, double uniform)
    {
        var kept = Weights(logits, sampling.Temperature).Index().Select(w => (Id: w.Index, Weight: w.Item)).Where(t => t.Weight > 0 && t.Weight >= sampling.MinP).ToList();
        var total = kept.Sum(t => (double)t.Weight);
        var cut = sampling.TopK > 0 && sampling.TopK < kept.Count;
        if (cut || sampling.TopP < 1f || sampling.TypicalP < 1f)
        {
            kept = kept.OrderByDescending(t => t.Weight).ThenBy(t => t.Id).ToList();
        }
        if (cut)
        {
            kept = kept[..sampling.TopK];
            total = kept.Sum(t => (double)t.Weight);
        }
        if (sampling.TopP < 1f)
        {
            var (reached, count) = (0.0, 0);
            while (count < kept.Count && reached < sampling.TopP * total)
            {
                reached += kept[count++].Weight;
            }
            kept = kept[..count];
        }
        if (sampling.TypicalP < 1f)
        {
            total = kept.Sum(t => (double)t.Weight);
            var entropy = -kept.Sum(t => t.Weight / total * Math.Log(t.Weight / total));
            var distance = kept.ToDictionary(t => t.Id, t => Math.Abs(-Math.Log(t.Weight / total) - entropy));
            var reached = 0.0;
            var border = kept.OrderBy(t => distance[t.Id]).First(t => (reached += t.Weight) >= sampling.TypicalP * total * (1 - 1e-12));
            kept = kept.Where(t => distance[t.Id] <= distance[border.Id] + 1e-12).ToList();
        }
        var target = uniform * kept.Sum(t => (double)t.Weight);
        foreach (var (id, weight) in kept)
        {
            target -= weight;
            if (target < 0)
            {
                return id;
            }
        }
        return kept[^1].Id;
    }

    private static float[] Weights(float[] logits, float temperature)
    {
        var blocks = RowKernels.Blocks(logits.Length);
        var (weights, masses) = (new float[blocks * RowKernels.Block], new double[blocks]);
        var total = RowKernels.Weights(logits, logits.Max(), temperature, 0, weights, masses);
        Assert.Equal(weights.Sum(w => (double)w), total, total * 1e-12);
        return weights[..logits.Length];
    }

    [Fact]
    public void Weights_AreTheExponentials() =>
        AnyLogits.Sample(logits =>
        {
            var max = logits.Max();
            foreach (var (i, weight) in Weights(logits, 0.7f).Index())
            {
                var exact = Math.Exp((logits[i] - max) / 0.7f);
                Assert.True(Math.Abs(weight - exact) <= exact * 1.5e-7 + 1.2e-38, $"exp of {(logits[i] - max) / 0.7f} is {exact}, was {weight}");
            }
            Assert.Equal(1f, Weights(logits, 0.7f)[Array.IndexOf(logits, max)]);
        }, iter: 300);

    private static float[] Logits(int length, float spread, bool ties, double ruledOut, int seed)
    {
        var random = new Random(seed);
        var logits = new float[length];
        for (var i = 0; i < length; i++)
        {
            var normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            normal = ties ? Math.Round(normal * 4) / 4 : normal;
            logits[i] = random.NextDouble() < ruledOut ? float.NegativeInfinity : (float)Math.Clamp(normal * spread, -3e38, 3e38);
        }
        logits[random.Next(length)] = 0.5f * spread;
        return logits;
    }

    private static Gen<T> Among<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static readonly Gen<float[]> AnyLogits = Gen.Select(
        Gen.OneOf(Gen.Int[1, 300], Gen.Int[300, 9000]), Among(0f, 0.01f, 1f, 4f, 40f, 1e38f), Gen.Bool, Among(0.0, 0.1, 0.99), Gen.Int).Select(Logits);

    private static readonly Gen<SamplingParams> AnySampling = Gen.Select(
        Among(1f, 0.7f, 2f, 0.05f), Gen.OneOf(Gen.Const(0), Gen.Int[1, 60], Gen.Int[1, 6000]), Gen.OneOf(Gen.Const(1f), Gen.Float[0.05f, 0.999f]),
        Gen.OneOf(Gen.Const(0f), Gen.Float[0f, 1f]), (temperature, topK, topP, minP) => new SamplingParams { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP });

    [Fact]
    public void Draw_GivesWhatTheFullSortGives_ForTheSameNoise() =>
        Gen.Select(AnyLogits, AnySampling, Gen.Double[0, 0.999999999]).Sample((logits, sampling, uniform) =>
        {
            var (a, b) = (Naive(logits, sampling, uniform), new RowSampler(logits.Length).Draw(logits, sampling, uniform));
            Assert.True(a == b, $"{a} {logits[a]:R} {b} {logits[b]:R} max {logits.Max():R} u {uniform:R} top {string.Join(' ', logits.Index().OrderByDescending(l => l.Item).Take(8))}");
        }, iter: 4000);

    [Fact]
    public void Draw_GivesWhatTheFullSortGives_WithTypicalP() =>
        Gen.Select(AnyLogits, AnySampling, Gen.Float[0.1f, 0.99f], Gen.Double[0, 0.999999999]).Sample((logits, sampling, typicalP, uniform) =>
        {
            sampling = sampling with { TypicalP = typicalP };
            return Naive(logits, sampling, uniform) == new RowSampler(logits.Length).Draw(logits, sampling, uniform);
        }, iter: 1000);

    [Fact]
    public void Sample_TakesTheFirstOfTheLargest_WhenGreedy() =>
        AnyLogits.Sample(logits => Sampled(logits, new SamplingParams { Temperature = 0 }) == Array.IndexOf(logits, logits.Max()), iter: 1000);

    [Fact]
    public void Sample_GivesEachRowWhatItGetsAlone_InAnyCompany()
    {
        const int Vocabulary = 50_000;
        var sequences = Enumerable.Range(0, 9).Select(i => NewSequence(new SamplingParams { TopP = 0.9f, Seed = (ulong)i }, i)).ToList();
        var rows = sequences.Select((_, i) => Logits(Vocabulary + 7, 2, false, 0, i)).ToList();

        var together = new Sampler(Vocabulary).Sample(rows.SelectMany(row => row).ToArray(), Vocabulary + 7, sequences);

        var alone = rows.Select((row, i) => new Sampler(Vocabulary).Sample(row.ToArray(), Vocabulary + 7, [sequences[i]])[0]);
        Assert.Equal(alone, together);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Sample_FailsTheRowAlone_WhenALogitIsNoNumber(float wrong)
    {
        for (var at = 0; at < 300; at += 37)
        {
            var logits = new float[600];
            logits[300 + at] = wrong;
            logits[7] = 1;
            var tokens = new Sampler(300).Sample(logits, 300, [NewSequence(new SamplingParams { Temperature = 0 }, 0), NewSequence(new SamplingParams(), 1)]);
            Assert.Equal(7, tokens[0].Id);
            Assert.Equal(SampledToken.NotFinite, tokens[1]);
        }
    }

    [Fact]
    public void Sample_FailsTheRow_WhenNoTokenIsAllowed() =>
        Assert.Equal(SampledToken.NoneAllowed.Id, Sampled([float.NegativeInfinity, float.NegativeInfinity], new SamplingParams()));

    private static int Sampled(float[] logits, SamplingParams sampling) =>
        Assert.Single(new Sampler(logits.Length).Sample(logits.ToArray(), logits.Length, [NewSequence(sampling, 0)])).Id;

    private static Sequence NewSequence(SamplingParams sampling, int arrival) =>
        new(new GenerationRequest("s", [1], sampling), sampling.Seed ?? 1, new TextStream(new CharacterTokenizer(8), []), arrival);
}
