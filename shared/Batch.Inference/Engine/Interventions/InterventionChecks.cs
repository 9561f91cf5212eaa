using System.Text.RegularExpressions;

namespace Batch.Inference.Engine.Interventions;

/// <summary>Refuses rules that cannot be carried out, naming the place in the request: <c>interventions[0].when.regex</c>.</summary>
internal static class InterventionChecks
{
    private const int MostRules = 32;
    private const int MostActions = 8;
    private const int LongestRegex = 500;
    private const int LongestInjection = 4000;
    private const int MostTokens = 1_000_000;

    // A guard against patterns whose automaton is huge; matching itself takes linear time.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static void Validate(SamplingParams sampling)
    {
        if (sampling.Interventions is not { Count: > 0 } rules)
        {
            return;
        }
        Require(rules.Count <= MostRules, "interventions", $"at most {MostRules} rules", $"{rules.Count}");
        Require(sampling.NumBeams == 1, "interventions", "left out with num_beams above 1", $"given with {sampling.NumBeams}");
        Require(sampling.Logprobs is null, "interventions", "left out with logprobs, which tell of drawn tokens only", "given with it");
        for (var i = 0; i < rules.Count; i++)
        {
            var at = $"interventions[{i}]";
            Check(rules[i].When, $"{at}.when");
            Require(rules[i].Limit is null or (>= 1 and <= Intervention.MostFirings), $"{at}.limit", $"from 1 to {Intervention.MostFirings}", $"{rules[i].Limit}");
            Require(rules[i].Then is { Count: >= 1 and <= MostActions }, $"{at}.then", $"1 to {MostActions} actions", $"{rules[i].Then?.Count ?? 0}");
            for (var j = 0; j < rules[i].Then.Count; j++)
            {
                Check(rules[i].Then[j], rules[i].When, sampling, rules[i].Then.Count == 1 ? $"{at}.then" : $"{at}.then[{j}]");
            }
        }
    }

    public static Regex Compile(string pattern, string at)
    {
        Require(pattern.Length is >= 1 and <= LongestRegex, at, $"1 to {LongestRegex} characters", $"{pattern.Length}");
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, Patience);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw Refusal($"{at} must be a regular expression without backreferences, lookarounds and atomic groups: {e.Message}");
        }
    }

    private static void Check(InterventionCondition when, string at)
    {
        var given = Count(when.Regex is not null, when.Tokens is not null, when.Every is not null, when.Entropy is not null, when.Repetition is not null);
        Require(given == 1, at, "exactly one of regex, tokens, every, entropy and repetition", given == 0 ? "none" : $"{given}");
        Require(when.Tokens is null or (>= 1 and <= MostTokens), $"{at}.tokens", $"from 1 to {MostTokens}", $"{when.Tokens}");
        Require(when.Every is null or (>= 1 and <= MostTokens), $"{at}.every", $"from 1 to {MostTokens}", $"{when.Every}");
        if (when.Regex is { } pattern)
        {
            Compile(pattern, $"{at}.regex");
        }
        if (when.Entropy is { } entropy)
        {
            Require(entropy.Above is null != entropy.Below is null, $"{at}.entropy", "exactly one of above and below", entropy.Above is null ? "none" : "both");
            Require((entropy.Above ?? entropy.Below) is >= 0 and <= 100, $"{at}.entropy", "from 0 to 100 nats", FormattableString.Invariant($"{entropy.Above ?? entropy.Below}"));
            Require(entropy.For is >= 1 and <= 1000, $"{at}.entropy.for", "from 1 to 1000 tokens", $"{entropy.For}");
        }
        if (when.Repetition is { } repetition)
        {
            Require(repetition.Size is >= 1 and <= 1000, $"{at}.repetition.size", "from 1 to 1000 tokens", $"{repetition.Size}");
            Require(repetition.Times is >= 2 and <= 1000, $"{at}.repetition.times", "from 2 to 1000", $"{repetition.Times}");
        }
    }

    private static void Check(InterventionAction then, InterventionCondition when, SamplingParams sampling, string at)
    {
        var given = Count(then.Inject is not null, then.Ban is not null, then.Set is not null, then.Rollback is not null, then.Stop);
        Require(given == 1, at, "exactly one of inject, ban, set, rollback and stop", given == 0 ? "none" : $"{given}");
        Require(then.Inject is null or { Length: >= 1 and <= LongestInjection }, $"{at}.inject", $"1 to {LongestInjection} characters", $"{then.Inject?.Length}");
        if (then.Ban is { } ban)
        {
            Require(ban.Words is { Count: > 0 } || ban.TokenIds is { Count: > 0 }, $"{at}.ban", "words or token_ids", "none");
            Require((ban.Words?.Count ?? 0) + (ban.TokenIds?.Count ?? 0) <= 1000, $"{at}.ban", "at most 1000 words and token_ids", "more");
            Require(ban.Words is null || !ban.Words.Any(string.IsNullOrWhiteSpace), $"{at}.ban.words", "non-empty words", "an empty one");
            Require(ban.TokenIds is null || ban.TokenIds.All(id => id >= 0), $"{at}.ban.token_ids", "ids of at least 0", "a negative one");
            RequireSpan(ban.ForTokens, $"{at}.ban.for_tokens");
        }
        if (then.Set is { } set)
        {
            Require(set with { ForTokens = null } != new SetAction(), $"{at}.set", "at least one of temperature, top_k, top_p and min_p", "none");
            RequireSpan(set.ForTokens, $"{at}.set.for_tokens");
            CheckSet(set, sampling, $"{at}.set");
        }
        if (then.Rollback is { } rollback)
        {
            Require(rollback.Tokens is null == rollback.Match, $"{at}.rollback", "exactly one of tokens and match", rollback.Match ? "both" : "none");
            Require(rollback.Tokens is null or (>= 1 and <= MostTokens), $"{at}.rollback.tokens", $"from 1 to {MostTokens}", $"{rollback.Tokens}");
            Require(!rollback.Match || when.Regex is not null, $"{at}.rollback.match", "left out where when is no regex", "true");
        }
    }

    private static void CheckSet(SetAction set, SamplingParams sampling, string at)
    {
        try
        {
            (set.Over(sampling) with { Interventions = null, N = 1 }).Validate();
        }
        catch (ArgumentException e)
        {
            throw Refusal($"{at}.{e.Message.Replace($" (Parameter '{e.ParamName}')", "", StringComparison.Ordinal)}");
        }
    }

    private static void RequireSpan(int? tokens, string at) => Require(tokens is null or (>= 1 and <= MostTokens), at, $"from 1 to {MostTokens}", $"{tokens}");

    private static int Count(params ReadOnlySpan<bool> given)
    {
        var count = 0;
        foreach (var one in given)
        {
            count += one ? 1 : 0;
        }
        return count;
    }

    private static void Require(bool holds, string at, string wanted, string seen)
    {
        if (!holds)
        {
            throw Refusal($"{at} must be {wanted}, was {seen}");
        }
    }

    // The parameter is the request's, not a method's.
    private static ArgumentException Refusal(string message, string paramName = "interventions") => new(message, paramName);
}
