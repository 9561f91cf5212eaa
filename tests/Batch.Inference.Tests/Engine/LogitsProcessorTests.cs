using Batch.Inference.Engine;
using Batch.Inference.Engine.Logits;
using Batch.Inference.Tokenizers;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

public class LogitsProcessorTests
{
    private const float No = float.NegativeInfinity;

    private static float[] Process(float[] logits, SamplingParams sampling, int[] prompt, int[] text, HfTokenizer? tokenizer = null, params int[] endOfText)
    {
        tokenizer ??= new CharacterTokenizer(logits.Length);
        var sequence = new Sequence(new GenerationRequest("s", prompt, sampling.Validate()), 1, new TextStream(tokenizer, []), 0);
        Array.ForEach(text, sequence.Append);
        foreach (var processor in new LogitsProcessors(tokenizer, endOfText).Create(sampling))
        {
            processor.Apply(logits, sequence);
        }
        return logits;
    }

    [Fact]
    public void Penalties_AreTakenAsOpenAIDefinesThem_RepetitionFromThePromptToo() => Assert.Equal(
        [2f, -2f - 2 * 0.5f - 0.25f, 1.5f - 0.5f - 0.25f, 5f],
        Process([4f, -1f, 3f, 5f], new SamplingParams { RepetitionPenalty = 2, FrequencyPenalty = 0.5f, PresencePenalty = 0.25f }, prompt: [0, 1], text: [1, 2, 1]));

    [Fact]
    public void TokenCounts_TakeBackWhatWasAdded()
    {
        var sampling = new SamplingParams { FrequencyPenalty = 1, RepetitionPenalty = 2 };
        var sequence = new Sequence(new GenerationRequest("s", [0], sampling), 1, new TextStream(new CharacterTokenizer(4), []), 0);
        sequence.Append(1);
        sequence.Counts!.Remove(1);
        sequence.Counts.Add(0);
        float[] logits = [4f, 4f, 4f, 4f];
        new Penalties(sampling).Apply(logits, sequence);
        Assert.Equal([1f, 4f, 4f, 4f], logits);
    }

    [Fact]
    public void AllowedTokenIds_RuleOutAllOthers() =>
        Assert.Equal([No, 1f, No, 3f, No], Process([0f, 1f, 2f, 3f, 4f], new SamplingParams { AllowedTokenIds = [3, 1, 3] }, [0], []));

    [Fact]
    public void LogitBias_IsAdded() =>
        Assert.Equal([-99f, 1f, 7f], Process([1f, 1f, 1f], new SamplingParams { LogitBias = new Dictionary<int, float> { [0] = -100, [2] = 6 } }, [0], []));

    [Fact]
    public void MinTokens_RulesOutEndOfTextAndStopTokens_UntilReached()
    {
        var sampling = new SamplingParams { MinTokens = 2, StopTokenIds = [1] };
        Assert.Equal([0f, No, No, 3f], Process([0f, 1f, 2f, 3f], sampling, [0], [3], endOfText: 2));
        Assert.Equal([0f, 1f, 2f, 3f], Process([0f, 1f, 2f, 3f], sampling, [0], [3, 3], endOfText: 2));
    }

    [Theory]
    [InlineData(1, new[] { 1, 2 }, new[] { 3 }, new[] { 1, 2, 3 })]
    [InlineData(2, new[] { 1, 2, 1 }, new[] { 3, 1 }, new[] { 2, 3 })]
    [InlineData(3, new[] { 1, 2, 3 }, new[] { 1, 2 }, new[] { 3 })]
    [InlineData(3, new[] { 1, 2, 3 }, new[] { 2, 1 }, new int[0])]
    [InlineData(4, new[] { 1 }, new[] { 1, 1 }, new int[0])]
    public void NoRepeatNgramSize_RulesOutWhatFollowedBefore(int size, int[] prompt, int[] text, int[] banned) =>
        Assert.Equal(banned, Process(new float[5], new SamplingParams { NoRepeatNgramSize = size }, prompt, text).Index().Where(l => l.Item == No).Select(l => l.Index));

    [Fact]
    public void NoRepeatNgramSize_KeepsEveryNgramUnique_InGreedyTexts() =>
        Gen.Select(Gen.Int[1, 4], Gen.Int[0, 5].Array[1, 12], Gen.Int).Sample((size, prompt, seed) =>
        {
            var random = new Random(seed);
            var text = new List<int>();
            for (var i = 0; i < 30; i++)
            {
                var logits = Process(Enumerable.Range(0, 6).Select(_ => random.NextSingle()).ToArray(), new SamplingParams { NoRepeatNgramSize = size }, prompt, [.. text]);
                if (logits.Max() == No)
                {
                    break;
                }
                text.Add(EngineRuns.ArgMax(logits));
            }
            int[] all = [.. prompt, .. text];
            var newest = Enumerable.Range(0, Math.Max(0, all.Length - size + 1)).Select(i => string.Join(',', all[i..(i + size)])).ToList();
            Assert.All(newest.Index().Where(n => n.Index + size > prompt.Length), n => Assert.Equal(n.Index, newest.IndexOf(n.Item)));
        }, iter: 300);

    [Fact]
    public void BadWords_RuleOutTheirLastToken_AfterTheOthers()
    {
        var sampling = new SamplingParams { BadWords = ["一三"] };
        int[] word = new CharacterTokenizer(9000).Encode("一三");
        Assert.Equal(0f, Process(new float[9000], sampling, [word[0]], [])[word[1]]); // the prompt is not the text
        var logits = Process(new float[9000], sampling, [5], [word[0]]);
        Assert.Equal([word[1]], logits.Index().Where(l => l.Item == No).Select(l => l.Index));
    }

    [Fact]
    public void BadWords_AreRuledOutAfterASpaceToo_AsInVllm()
    {
        var tokenizer = HfTokenizer.Load(TestData.Require("tokenizers", "gpt2"));
        int[] banned = [tokenizer.Encode("hello")[0], tokenizer.Encode(" hello")[0]];
        var logits = Process(new float[tokenizer.VocabularySize], new SamplingParams { BadWords = ["hello"] }, [1], [], tokenizer);
        Assert.Equal(banned.Order(), logits.Index().Where(l => l.Item == No).Select(l => l.Index));
    }

    [Theory]
    [InlineData(new[] { 1, 2, 3 }, new[] { 1, 2 }, 3, 0.8)]
    [InlineData(new[] { 1, 2, 3 }, new[] { 1, 2, 3, 1, 2 }, 3, 0.8 * 1.75 * 1.75 * 1.75)]
    [InlineData(new[] { 1, 2, 3 }, new[] { 5, 2 }, 3, 0)] // one token alone repeats
    [InlineData(new[] { 1, 4, 2, 3 }, new[] { 1, 4, 2 }, 3, 0)] // 4 breaks sequences
    [InlineData(new[] { 1, 2, 4, 3 }, new[] { 1, 2 }, 4, 0)] // and is itself never penalised
    public void Dry_GrowsWithTheRepetition(int[] prompt, int[] text, int token, double penalty)
    {
        var sampling = new SamplingParams { DryMultiplier = 0.8f, DrySequenceBreakers = ["\u4e04"] };
        var logits = Process(new float[6], sampling, prompt, text);
        Assert.Equal(-penalty, logits[token], 1e-5);
    }

    [Fact]
    public void Dry_AgreesWithThePlainReading() =>
        Gen.Select(Gen.Int[0, 4].Array[1, 30], Gen.Int[1, 4], Gen.Float[1f, 3f]).Sample((tokens, allowed, growth) =>
        {
            var sampling = new SamplingParams { DryMultiplier = 0.5f, DryBase = growth, DryAllowedLength = allowed, DrySequenceBreakers = ["\u4e04"] };
            var logits = Process(new float[5], sampling, [tokens[0]], tokens[1..]);
            for (var next = 0; next < 5; next++)
            {
                var length = next == 4 ? 0 : LongestRepetition(tokens, next);
                var expected = length >= allowed ? 0.5 * Math.Pow(growth, length - allowed) : 0;
                Assert.Equal(-expected, logits[next], Math.Max(1e-4, expected * 1e-5));
            }
        }, iter: 3000);

    // The most tokens at the end that, followed by the next, stand somewhere before, none of them a breaker.
    private static int LongestRepetition(int[] tokens, int next)
    {
        var longest = 0;
        for (var at = 1; at < tokens.Length; at++)
        {
            var length = 0;
            while (tokens[at] == next && length < at && tokens[^(length + 1)] != 4 && tokens[at - 1 - length] == tokens[^(length + 1)])
            {
                length++;
            }
            longest = Math.Max(longest, length);
        }
        return longest;
    }
}
