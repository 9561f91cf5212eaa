using System.Text.Json;
using Batch.Inference.Engine.Interventions;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Tests;

public class InterventionFieldTests
{
    private static JobRequest Parse(string rules)
    {
        using var json = JsonDocument.Parse($$"""{"prompt":"a","interventions":{{rules}}}""");
        return JobRequestParser.Parse(json.RootElement);
    }

    [Fact]
    public void Parse_ReadsEveryConditionAndAction_AndStoresThemAsTheyAre()
    {
        var request = Parse("""
            [{"when": {"regex": "(?i)as an ai"}, "then": {"rollback": {"match": true, "ban": true}}, "limit": 5},
             {"when": {"tokens": 200}, "then": [{"inject": "\n\n## 背景\n\n"}]},
             {"when": {"entropy": {"above": 3.5, "for": 4}}, "then": {"set": {"temperature": 0.3, "top_k": 20, "for_tokens": 30}}},
             {"when": {"repetition": {"size": 4, "times": 3}}, "then": [{"rollback": {"tokens": 8}}, {"ban": {"words": ["again"], "token_ids": [7], "for_tokens": 9}}]},
             {"when": {"every": 500}, "then": {"stop": true}}]
            """);
        var stored = JsonSerializer.Deserialize<JobRequest>(JsonSerializer.Serialize(request, JobJson.Options), JobJson.Options)!.Parameters.Interventions!;

        Assert.Equal(("(?i)as an ai", true, true, 5), (stored[0].When.Regex, stored[0].Then[0].Rollback!.Match, stored[0].Then[0].Rollback!.Ban, stored[0].Limit));
        Assert.Equal((200, "\n\n## 背景\n\n"), (stored[1].When.Tokens, stored[1].Then[0].Inject));
        Assert.Equal(new EntropyCondition { Above = 3.5, For = 4 }, stored[2].When.Entropy);
        Assert.Equal(new SetAction { Temperature = 0.3f, TopK = 20, ForTokens = 30 }, stored[2].Then[0].Set);
        Assert.Equal(new RepetitionCondition(4, 3), stored[3].When.Repetition);
        Assert.Equal((8, "again", 7, 9), (stored[3].Then[0].Rollback!.Tokens, stored[3].Then[1].Ban!.Words![0], stored[3].Then[1].Ban!.TokenIds![0], stored[3].Then[1].Ban!.ForTokens));
        Assert.Equal((500, true), (stored[4].When.Every, stored[4].Then[0].Stop));
    }

    [Theory]
    [InlineData("{}", "interventions must be an array, was an object")]
    [InlineData("""[{"when": {"tokens": 1}}]""", "interventions[0] must be {when, then, limit}, was one without then")]
    [InlineData("""[{"if": {"tokens": 1}, "then": {"stop": true}}]""", "interventions[0] must be an object of when, then, limit, was one with \"if\"")]
    [InlineData("""[{"when": {"regx": "a"}, "then": {"stop": true}}]""", "interventions[0].when must be an object of regex, tokens, every, entropy, repetition, was one with \"regx\"")]
    [InlineData("""[{"when": {"tokens": "1"}, "then": {"stop": true}}]""", "interventions[0].when.tokens must be a 32-bit integer, was a string")]
    [InlineData("""[{"when": {"tokens": 0}, "then": {"stop": true}}]""", "interventions[0].when.tokens must be from 1 to 1000000, was 0")]
    [InlineData("""[{"when": {"tokens": 1, "every": 2}, "then": {"stop": true}}]""", "interventions[0].when must be exactly one of regex, tokens, every, entropy and repetition, was 2")]
    [InlineData("""[{"when": {"regex": "(a)\\1"}, "then": {"stop": true}}]""", "interventions[0].when.regex must be a regular expression without backreferences")]
    [InlineData("""[{"when": {"tokens": 1}, "then": []}]""", "interventions[0].then must be 1 to 8 actions, was 0")]
    [InlineData("""[{"when": {"tokens": 1}, "then": {"stop": false}}]""", "interventions[0].then must be exactly one of inject, ban, set, rollback and stop, was none")]
    [InlineData("""[{"when": {"tokens": 1}, "then": {"rollback": {"match": true}}}]""", "interventions[0].then.rollback.match must be left out where when is no regex, was true")]
    [InlineData("""[{"when": {"tokens": 1}, "then": [{"stop": true}, {"set": {"temperature": 3}}]}]""", "interventions[0].then[1].set.temperature must be from 0 to 2, was 3")]
    [InlineData("""[{"when": {"tokens": 1}, "then": {"stop": true}, "limit": 0}]""", "interventions[0].limit must be from 1 to 1000, was 0")]
    [InlineData("""[{"when": {"entropy": {"for": 3}}, "then": {"stop": true}}]""", "interventions[0].when.entropy must be exactly one of above and below, was none")]
    [InlineData("""[{"when": {"repetition": {"size": 3}}, "then": {"stop": true}}]""", "interventions[0].when.repetition must be {size, times}, was one of them")]
    public void Parse_NamesThePlace_WhenARuleIsWrong(string rules, string message)
    {
        var error = Assert.Throws<InvalidJobException>(() => Parse(rules));
        Assert.Equal("interventions", error.Param);
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }
}
