using System.Text.RegularExpressions;
using Batch.Inference.Engine.Logits;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine.Interventions;

/// <summary>A request's rules made ready for its model: patterns compiled, texts turned into tokens. Immutable; made on the caller's thread.</summary>
internal sealed class InterventionRules
{
    private InterventionRules(IReadOnlyList<PreparedRule> rules) => Rules = rules;

    public IReadOnlyList<PreparedRule> Rules { get; }

    public bool WantsEntropy => Rules.Any(rule => rule.When.Entropy is not null);

    /// <exception cref="ArgumentException">A token id is not the tokenizer's, or a text has no tokens.</exception>
    public static InterventionRules? Create(SamplingParams sampling, HfTokenizer tokenizer) => sampling.Interventions is { Count: > 0 } rules
        ? new InterventionRules([.. rules.Select((rule, i) => new PreparedRule(
            rule.When,
            rule.When.Regex is { } pattern ? InterventionChecks.Compile(pattern, $"interventions[{i}].when.regex") : null,
            rule.Firings,
            [.. rule.Then.Select(action => Prepare(action, tokenizer, i))]))])
        : null;

    private static PreparedAction Prepare(InterventionAction action, HfTokenizer tokenizer, int rule)
    {
        var tokens = action.Inject is { } text ? tokenizer.Encode(text, addSpecialTokens: false) : [];
        if (action.Inject is not null && tokens.Length == 0)
        {
            throw new GenerationRefusedException($"interventions[{rule}].then.inject must have at least one token, had none");
        }
        if (action.Ban?.TokenIds?.FirstOrDefault(id => id >= tokenizer.VocabularySize, -1) is { } id and >= 0)
        {
            throw new GenerationRefusedException($"interventions[{rule}].then.ban.token_ids must be below {tokenizer.VocabularySize}, the size of the vocabulary, was {id}");
        }
        return new PreparedAction(action, tokens, action.Ban?.Words is { Count: > 0 } words ? new BadWords(words, tokenizer) : null);
    }
}

/// <summary>One rule, ready.</summary>
internal sealed record PreparedRule(InterventionCondition When, Regex? Pattern, int Firings, IReadOnlyList<PreparedAction> Then);

/// <param name="Action">What was asked for.</param>
/// <param name="Injected">The tokens of its text.</param>
/// <param name="Words">What keeps its banned words from being drawn.</param>
internal sealed record PreparedAction(InterventionAction Action, int[] Injected, BadWords? Words);
