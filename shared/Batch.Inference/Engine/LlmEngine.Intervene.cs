using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Batch.Inference.Engine.Interventions;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Inference.Engine;

public partial class LlmEngine
{
    // A text may draw so many times its length before rollbacks are refused: with the limits of the rules, what makes every text end.
    private const int MostDraws = 8;

    // After a token that goes on: what the rules make of it, in their order. A rollback or an end drops those behind it, whose token is gone.
    private void Intervene(Sequence sequence, InterventionState state, SampledToken sampled)
    {
        try
        {
            Act(sequence, state, state.Observe(sequence, sampled.Id, sampled.Entropy));
        }
        catch (RegexMatchTimeoutException e)
        {
            Fail(sequence, $"interventions: the regex '{e.Pattern}' takes too long", callersFault: true);
        }
    }

    private void Act(Sequence sequence, InterventionState state, List<Firing> firings)
    {
        var takenBack = false;
        foreach (var firing in firings)
        {
            if (takenBack || state.Trail.Count >= Intervention.MostFirings)
            {
                return;
            }
            state.Fired(firing);
            foreach (var action in state.Rules.Rules[firing.Rule].Then)
            {
                switch (action.Action)
                {
                    case { Inject: not null }:
                        if (!Inject(sequence, state, firing, action.Injected))
                        {
                            return;
                        }
                        break;
                    case { Rollback: { } rollback }:
                        takenBack |= RollBack(sequence, state, firing, rollback);
                        break;
                    case { Stop: true }:
                        state.Record(firing, "stop", "the text ends here");
                        End(sequence, Update(sequence, sequence.Text.Flush(), FinishReason.Stop));
                        return;
                    default:
                        state.Record(firing, action.Action.Ban is null ? "set" : "ban", Describe(action.Action));
                        state.Enforce(action, sequence.Draws);
                        break;
                }
            }
        }
    }

    // All or nothing; false when the text has ended with it.
    private bool Inject(Sequence sequence, InterventionState state, Firing firing, int[] tokens)
    {
        if (sequence.CompletionTokens + (long)tokens.Length > (sequence.Sampling.MaxTokens ?? int.MaxValue) || sequence.Tokens.Count + (long)tokens.Length > Model.ContextLength)
        {
            state.Record(firing, "refused", $"inject: its {tokens.Length} tokens do not fit into what is left of max_tokens or of the context");
            return true;
        }
        if (sequence.Constraint is { } constraint && !TryAccept(constraint, tokens))
        {
            state.Record(firing, "refused", "inject: the structured output does not allow it here");
            return true;
        }
        state.Record(firing, "inject", $"{tokens.Length} tokens");
        var text = "";
        foreach (var token in tokens)
        {
            sequence.Append(token);
            state.Injected(token);
            text += sequence.Text.Append(token, mayStop: sequence.CompletionTokens > sequence.Sampling.MinTokens, out var stop);
            if (stop is not null)
            {
                End(sequence, Update(sequence, text, FinishReason.Stop) with { StopReason = new StopReason(stop, null) });
                return false;
            }
        }
        if (sequence.Constraint is { IsComplete: true })
        {
            End(sequence, Update(sequence, text + sequence.Text.Flush(), FinishReason.Stop));
            return false;
        }
        if (sequence.CompletionTokens >= sequence.Sampling.MaxTokens || sequence.Tokens.Count >= Model.ContextLength)
        {
            End(sequence, Update(sequence, text + sequence.Text.Flush(), FinishReason.Length));
            return false;
        }
        sequence.Publish(Update(sequence, text, null));
        return true;
    }

    private static bool TryAccept(TokenConstraint constraint, int[] tokens)
    {
        for (var i = 0; i < tokens.Length; i++)
        {
            if (!constraint.Allows(tokens[i]))
            {
                constraint.Rollback(i);
                return false;
            }
            constraint.Accept(tokens[i]);
        }
        return true;
    }

    private bool RollBack(Sequence sequence, InterventionState state, Firing firing, RollbackAction rollback)
    {
        var left = rollback.Match ? state.TokenAt(firing.MatchStart) : sequence.CompletionTokens - Math.Min(rollback.Tokens!.Value, sequence.CompletionTokens);
        left = Math.Min(left, sequence.CompletionTokens);
        var limit = Math.Min(sequence.Sampling.MaxTokens ?? int.MaxValue, Model.ContextLength - sequence.PromptTokens);
        if (sequence.Draws >= (long)MostDraws * limit)
        {
            state.Record(firing, "refused", $"rollback: the text has drawn {sequence.Draws} tokens, {MostDraws} times the most it may have");
            return false;
        }
        var taken = sequence.CompletionTokens - left;
        if (taken == 0)
        {
            state.Record(firing, "rollback", "0 tokens");
            return false;
        }
        var first = sequence.Tokens[sequence.PromptTokens + left];
        state.Record(firing, "rollback", $"{taken} tokens{(rollback.Ban ? $", token {first} banned there" : "")}");
        sequence.Forget(taken);
        _scheduler.Truncate(sequence, sequence.PromptTokens + left);
        var tokens = CollectionsMarshal.AsSpan(sequence.Tokens)[sequence.PromptTokens..];
        state.Rollback(tokens);
        if (rollback.Ban)
        {
            state.BanAt(left, first);
        }
        var retracted = sequence.Text.Rewind(tokens, sequence.Sampling.MinTokens);
        sequence.Publish(Update(sequence, "", null) with { Retracted = retracted });
        return true;
    }

    private static GenerationUpdate Update(Sequence sequence, string text, FinishReason? finish) =>
        new(text, sequence.CompletionTokens, finish) { CachedTokens = sequence.CachedTokens };

    private static string Describe(InterventionAction action)
    {
        var span = (action.Ban?.ForTokens ?? action.Set?.ForTokens) is { } tokens ? $"for {tokens} tokens" : "for the rest";
        if (action.Ban is { } ban)
        {
            return $"{ban.Words?.Count ?? 0} words, {ban.TokenIds?.Count ?? 0} token ids {span}";
        }
        var set = action.Set!;
        (string Name, object? Value)[] values = [("temperature", set.Temperature), ("top_k", set.TopK), ("top_p", set.TopP), ("min_p", set.MinP)];
        return string.Join(", ", values.Where(v => v.Value is not null).Select(v => FormattableString.Invariant($"{v.Name} {v.Value}"))) + $" {span}";
    }
}
