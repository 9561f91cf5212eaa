using System.Text;
using Batch.Inference.Engine;
using Batch.Inference.Engine.Interventions;

namespace Batch.Inference.Tests.Engine.Interventions;

/// <summary>On a model whose every token is one Chinese character, so that the text shows exactly its tokens.</summary>
public class InterventionTests
{
    private static readonly SamplingParams Sampling = new() { Temperature = 1f, Seed = 11, MaxTokens = 30 };

    private static readonly int[] Prompt = [5, 6, 7];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private sealed record Written(string Text, IReadOnlyList<int> Tokens, FinishReason Reason, IReadOnlyList<InterventionRecord> Trail);

    private static Intervention Rule(InterventionCondition when, params InterventionAction[] then) => new(when, then);

    private static async Task<Written> WriteAsync(LlmEngine engine, SamplingParams sampling, params Intervention[] rules)
    {
        var text = new StringBuilder();
        await foreach (var update in engine.GenerateAsync(new GenerationRequest("a", Prompt, (sampling with { Interventions = rules }).Validate()), Token))
        {
            update.ApplyTo(text);
            if (update.FinishReason is { } reason)
            {
                Assert.Equal(rules.Length > 0, update.Interventions is not null);
                Assert.True(sampling.Stop.Count > 0 || text.ToString() == new CharacterTokenizer(TinyModel.Vocabulary).Decode(update.TokenIds!));
                return new Written(text.ToString(), update.TokenIds!, reason, update.Interventions ?? []);
            }
        }
        throw new InvalidOperationException("no last update");
    }

    [Fact]
    public async Task Inject_AppendsAtTheExactToken_AndCountsTowardsMaxTokens()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var plain = await WriteAsync(engine, Sampling);

        var written = await WriteAsync(engine, Sampling, Rule(new() { Tokens = 10 }, new InterventionAction { Inject = "一丁丂" }));

        Assert.Equal(plain.Text[..10] + "一丁丂", written.Text[..13]);
        Assert.Equal((30, FinishReason.Length), (written.Tokens.Count, written.Reason));
        Assert.Equal([new InterventionRecord(0, 10, 10, "inject", "3 tokens")], written.Trail);
    }

    [Fact]
    public async Task Inject_IsRefusedWhole_WhenItDoesNotFit()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var plain = await WriteAsync(engine, Sampling);

        var written = await WriteAsync(engine, Sampling, Rule(new() { Tokens = 28 }, new InterventionAction { Inject = "一丁丂" }));

        Assert.Equal(plain.Text, written.Text);
        Assert.Equal("refused", Assert.Single(written.Trail).Action);
    }

    [Fact]
    public async Task Inject_EndsTheText_WhenItCompletesAStopString()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var plain = await WriteAsync(engine, Sampling);

        var written = await WriteAsync(engine, Sampling with { Stop = ["丁丂"] }, Rule(new() { Tokens = 4 }, new InterventionAction { Inject = "一丁丂七" }));

        Assert.Equal((plain.Text[..4] + "一", FinishReason.Stop), (written.Text, written.Reason));
    }

    [Fact]
    public async Task Rollback_ToTheMatch_TakesItBackAndDrawsAnew_AlsoFromWhatStreamed()
    {
        using var folder = TinyModel.Create("gpt2");
        await using var engine = folder.Engine();
        var plain = await WriteAsync(engine, Sampling);
        var word = plain.Text.Substring(12, 2);

        var written = await WriteAsync(engine, Sampling, Rule(new() { Regex = word }, new InterventionAction { Rollback = new() { Match = true, Ban = true } }));

        var record = Assert.Single(written.Trail);
        Assert.Equal(("rollback", 14, 14), (record.Action, record.AtToken, record.AtCharacter));
        Assert.Equal(plain.Text[..12], written.Text[..12]);
        Assert.NotEqual(plain.Text[12], written.Text[12]);
        Assert.Equal(30, written.Tokens.Count);
    }

    [Fact]
    public async Task Rollback_OfGreedyText_ChangesItOnlyWithABan()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var greedy = Sampling with { Temperature = 0 };
        var plain = await WriteAsync(engine, greedy);

        var same = await WriteAsync(engine, greedy, Rule(new() { Tokens = 20 }, new InterventionAction { Rollback = new() { Tokens = 5 } }));
        var other = await WriteAsync(engine, greedy, Rule(new() { Tokens = 20 }, new InterventionAction { Rollback = new() { Tokens = 5, Ban = true } }));
        var beyond = await WriteAsync(engine, greedy, Rule(new() { Tokens = 3 }, new InterventionAction { Rollback = new() { Tokens = 500 } }));

        Assert.Equal(plain.Text, same.Text);
        Assert.Equal(plain.Text[..15], other.Text[..15]);
        Assert.NotEqual(plain.Text[15], other.Text[15]);
        Assert.Equal(plain.Text, beyond.Text);
        Assert.Equal("3 tokens", Assert.Single(beyond.Trail).Detail);
    }

    [Fact]
    public async Task Rollback_EndsAlways_WhenItsRuleHoldsAgainAndAgain()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();

        var written = await WriteAsync(engine, Sampling, Rule(new() { Tokens = 25 }, new InterventionAction { Rollback = new() { Tokens = 25 } }) with { Limit = 1000 });

        Assert.Equal(30, written.Tokens.Count);
        Assert.InRange(written.Trail.Count(r => r.Action == "rollback"), 5, 12);
        Assert.Contains(written.Trail, r => r.Action == "refused");
    }

    [Fact]
    public async Task Ban_KeepsTokensAndWordsOut_ForAsLongAsItSays()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var half = Enumerable.Range(0, TinyModel.Vocabulary / 2).ToArray();

        var written = await WriteAsync(engine, Sampling,
            Rule(new() { Tokens = 5 }, new InterventionAction { Ban = new() { TokenIds = half, ForTokens = 10 } }),
            Rule(new() { Tokens = 15 }, new InterventionAction { Ban = new() { Words = [.. Enumerable.Range(200, 60).Select(i => $"{(char)('\u4e00' + i)}")] } }));

        Assert.All(written.Tokens.Skip(5).Take(10), id => Assert.True(id >= half.Length));
        Assert.Contains(written.Tokens.Skip(15), id => id < half.Length);
        Assert.All(written.Tokens.Skip(15), id => Assert.True(id < 200));
        Assert.Equal(["ban", "ban"], written.Trail.Select(r => r.Action));
        Assert.Equal("0 words, 130 token ids for 10 tokens", written.Trail[0].Detail);
    }

    [Fact]
    public async Task Set_ChangesTheTemperature_ForAsLongAsItSays()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var plain = await WriteAsync(engine, Sampling);

        var written = await WriteAsync(engine, Sampling, Rule(new() { Tokens = 8 }, new InterventionAction { Set = new() { Temperature = 0, ForTokens = 6 } }));

        // From the ninth token on what greedy decoding of the same beginning gives.
        var greedy = new GenerationRequest("greedy", [.. Prompt, .. plain.Tokens.Take(8)], Sampling with { Temperature = 0, MaxTokens = 6 });
        var expected = new List<int>();
        await foreach (var update in engine.GenerateAsync(greedy, Token))
        {
            expected.AddRange(update.TokenIds ?? []);
        }
        Assert.Equal(plain.Tokens.Take(8), written.Tokens.Take(8));
        Assert.Equal(expected, written.Tokens.Skip(8).Take(6));
        Assert.Equal(new InterventionRecord(0, 8, 8, "set", "temperature 0 for 6 tokens"), Assert.Single(written.Trail));
    }

    [Fact]
    public async Task Stop_EndsTheText_AtEntropyOrRepetition()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var stop = new InterventionAction { Stop = true };

        var sure = await WriteAsync(engine, Sampling, Rule(new() { Entropy = new() { Above = 0, For = 7 } }, stop));
        var never = await WriteAsync(engine, Sampling, Rule(new() { Entropy = new() { Above = Math.Log(TinyModel.Vocabulary), For = 1 } }, stop));
        var repeated = await WriteAsync(engine, Sampling with { LogitBias = new Dictionary<int, float> { [9] = 100f } }, Rule(new() { Repetition = new(1, 4) }, stop));

        Assert.Equal((7, FinishReason.Stop), (sure.Tokens.Count, sure.Reason));
        Assert.Equal((30, FinishReason.Length), (never.Tokens.Count, never.Reason));
        Assert.Equal(FinishReason.Stop, repeated.Reason);
        Assert.Equal([9, 9, 9, 9], repeated.Tokens);
    }

    [Fact]
    public async Task Rules_FireInTheirOrder_AndARollbackDropsThoseBehindIt()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();

        var written = await WriteAsync(engine, Sampling,
            Rule(new() { Every = 10 }, new InterventionAction { Inject = "一" }) with { Limit = 1 },
            Rule(new() { Tokens = 10 }, new InterventionAction { Rollback = new() { Tokens = 2 } }, new InterventionAction { Inject = "丁" }),
            Rule(new() { Tokens = 10 }, new InterventionAction { Stop = true }) with { Limit = 1 });

        // At token 10: one character more, then two less, then another; the third rule's token is gone, and it fires when 10 come again.
        Assert.Equal([(0, 10, "inject"), (1, 11, "rollback"), (1, 9, "inject"), (2, 11, "stop")], written.Trail.Select(r => (r.Rule, r.AtToken, r.Action)));
        Assert.Equal('丁', written.Text[9]);
    }

    [Fact]
    public async Task Interventions_AreTheSame_AloneBesideOthersAndAfterPreemption()
    {
        using var folder = TinyModel.Create("llama");
        Intervention[] rules =
        [
            Rule(new() { Regex = "[\u4e00-\u4e20]" }, new InterventionAction { Rollback = new() { Match = true, Ban = true } }) with { Limit = 20 },
            Rule(new() { Every = 7 }, new InterventionAction { Inject = "一丁" }, new InterventionAction { Set = new() { TopK = 20, ForTokens = 3 } }) with { Limit = 3 },
            Rule(new() { Entropy = new() { Above = 2, For = 3 } }, new InterventionAction { Rollback = new() { Tokens = 2 } }) with { Limit = 5 },
            Rule(new() { Entropy = new() { Below = 1.5, For = 2 } }, new InterventionAction { Set = new() { Temperature = 1.5f, ForTokens = 4 } }) with { Limit = 5 },
        ];
        async Task<Written> Run(int neighbours, Action<EngineOptions> configure)
        {
            await using var engine = folder.Engine(configure);
            var company = Enumerable.Range(0, neighbours).Select(i => WriteAsync(engine, Sampling with { Seed = (ulong)i }, rules)).ToList();
            var written = await WriteAsync(engine, Sampling, rules);
            await Task.WhenAll(company);
            Assert.Equal(neighbours == 12, engine.Preemptions > 0);
            return written;
        }

        var alone = await Run(0, _ => { });
        Assert.True(alone.Trail.Count > 5);
        foreach (var other in new[] { await Run(20, o => o.MaxBatchedTokens = 17), await Run(12, o => (o.CacheTokens, o.BlockSize) = (160, 4)), await Run(2, o => o.PrefixCaching = false) })
        {
            Assert.Equal(alone.Tokens, other.Tokens);
            Assert.Equal(alone.Trail, other.Trail);
        }
    }

    [Theory]
    [InlineData("(a)\\1", "interventions[0].when.regex must be a regular expression without backreferences")]
    [InlineData("(?=a)", "interventions[0].when.regex must be a regular expression without backreferences")]
    [InlineData("[", "interventions[0].when.regex must be a regular expression")]
    [InlineData("", "interventions[0].when.regex must be 1 to 500 characters, was 0")]
    public void Validate_RefusesARegex_ThatHasNoLinearMatcher(string pattern, string message)
    {
        var error = Assert.Throws<ArgumentException>(() => (Sampling with { Interventions = [Rule(new() { Regex = pattern }, new InterventionAction { Stop = true })] }).Validate());
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }
}
