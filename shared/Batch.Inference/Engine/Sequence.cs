using System.Runtime.InteropServices;
using System.Threading.Channels;
using Batch.Inference.Engine.Interventions;
using Batch.Inference.Engine.Logits;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Inference.Engine;

/// <summary>One request on its way through the engine. Between its admission and its end the engine thread alone touches it, but for <see cref="Cancel"/>.</summary>
internal sealed class Sequence
{
    private readonly Channel<GenerationUpdate> _updates = Channel.CreateUnbounded<GenerationUpdate>(new() { SingleReader = true, SingleWriter = true });
    private readonly List<GenerationUpdate> _held = []; // to be handed over with the next ones
    private bool _hasBegun;
    private volatile bool _cancelRequested;
    private bool _admitted;

    public Sequence(GenerationRequest request, ulong seed, TextStream text, long arrival)
    {
        (Request, Seed, Text, Arrival) = (request, seed, text, arrival);
        Tokens = [.. request.PromptTokenIds];
        PromptTokens = Tokens.Count - request.TextTokens;
        PromptLogprobs = request.Sampling.PromptTop is null ? null : new(Tokens.Count);
        Counts = Penalties.AskedFor(request.Sampling) ? new TokenCounts(Tokens, PromptTokens) : null;
    }

    public GenerationRequest Request { get; }

    /// <summary>The parameters in force: the request's, unless an intervention has set others.</summary>
    public SamplingParams Sampling => Interventions?.Sampling ?? Request.Sampling;

    /// <summary>Seeds the noise of every position.</summary>
    public ulong Seed { get; }

    public TextStream Text { get; }

    /// <summary>Order of arrival.</summary>
    public long Arrival { get; }

    /// <summary>Prompt, then text.</summary>
    public List<int> Tokens { get; }

    /// <summary>
    /// Of the prompt's tokens from the second on, as far as they are computed; null where nobody asks. Such a sequence computes its whole prompt: tokens
    /// whose keys and values come from elsewhere have no logits.
    /// </summary>
    public List<TokenLogprobs>? PromptLogprobs { get; }

    /// <summary>What the parameters do to a row of logits, in order.</summary>
    public IReadOnlyList<LogitsProcessor> Processors { get; init; } = [];

    /// <summary>What the text must be; null leaves it free.</summary>
    public TokenConstraint? Constraint { get; init; }

    /// <summary>Guesses its next tokens; null where none are guessed.</summary>
    public PromptLookup? Lookup { get; init; }

    /// <summary>Of the tokens of prompt and text, where a penalty needs them.</summary>
    public TokenCounts? Counts { get; }

    /// <summary>
    /// Tokens ever added to the prompt; the noise of the next draw follows from the prompt's length and this. It never goes back, so that a position drawn
    /// again is drawn anew.
    /// </summary>
    public int Draws { get; private set; }

    /// <summary>Where the request has rules: what they have seen and what they hold in force.</summary>
    public InterventionState? Interventions { get; init; }

    /// <summary>How many tokens have their keys and values in the cache.</summary>
    public int ComputedTokens { get; set; }

    /// <summary>Cache blocks in the order of the tokens.</summary>
    public List<int> Blocks { get; } = [];

    /// <summary>How many tokens of the prompt were in the cache already when the sequence was first admitted.</summary>
    public int CachedTokens { get; private set; }

    /// <summary>The prompt's tokens are scored: each must be computed, whatever the cache holds.</summary>
    public bool ScoresPrompt => PromptLogprobs is { } known && known.Count < PromptTokens - 1;

    public int PromptTokens { get; }

    public int CompletionTokens => Tokens.Count - PromptTokens;

    public int PendingTokens => Tokens.Count - ComputedTokens;

    /// <summary>The engine thread has it, or is about to.</summary>
    public bool IsInside { get; set; }

    /// <summary>No more is told of it.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>It ended with an error.</summary>
    public bool HasFailed { get; private set; }

    public bool CancelRequested => _cancelRequested;

    public ChannelReader<GenerationUpdate> Updates => _updates.Reader;

    /// <summary>Asks the engine to end the sequence before its next step. Any thread.</summary>
    public void Cancel() => _cancelRequested = true;

    /// <summary>The scheduler lets it run; the cache holds its first <paramref name="computed"/> tokens already.</summary>
    public void Admitted(int computed)
    {
        ComputedTokens = computed;
        (CachedTokens, _admitted) = (_admitted ? CachedTokens : computed, true);
    }

    /// <summary>What an earlier run found out about the prompt, before its draws are gone through again.</summary>
    public void Resume(GenerationCheckpoint checkpoint)
    {
        (CachedTokens, _admitted) = (checkpoint.CachedTokens, true);
        PromptLogprobs?.AddRange(checkpoint.PromptLogprobs ?? []);
    }

    public void Append(int token)
    {
        Tokens.Add(token);
        Counts?.Add(token);
        Draws++;
    }

    /// <summary>Takes the last tokens out of all that counts them, before the scheduler takes them away.</summary>
    public void Forget(int tokens)
    {
        foreach (var token in Counts is null ? [] : CollectionsMarshal.AsSpan(Tokens)[^tokens..])
        {
            Counts!.Remove(token);
        }
        Constraint?.Rollback(tokens);
    }

    /// <summary>Whether the text ends with a pattern that repetition_detection looks for (vLLM's check_sequence_repetition).</summary>
    public bool RepeatsItself()
    {
        if (Sampling.RepetitionDetection is not { } wanted || CompletionTokens < Sampling.MinTokens)
        {
            return false;
        }
        var text = CollectionsMarshal.AsSpan(Tokens)[PromptTokens..];
        for (var size = Math.Max(1, wanted.MinPatternSize); size <= wanted.MaxPatternSize && size * wanted.MinCount <= text.Length; size++)
        {
            // A period of this size over the last min_count patterns.
            var repeated = text[^(size * wanted.MinCount)..];
            if (repeated[size..].SequenceEqual(repeated[..^size]))
            {
                return true;
            }
        }
        return false;
    }

    public void Publish(GenerationUpdate update)
    {
        _held.Add(update);
        if (!_hasBegun || update.FinishReason is not null || _held.Count >= Request.UpdatesAtOnce)
        {
            HandOver();
        }
        if (update.FinishReason is not null)
        {
            _updates.Writer.TryComplete();
            HasEnded = true;
        }
    }

    public void Fail(Exception error)
    {
        HandOver();
        _updates.Writer.TryComplete(error);
        (HasEnded, HasFailed) = (true, true);
    }

    private void HandOver()
    {
        foreach (var update in _held)
        {
            _updates.Writer.TryWrite(update);
        }
        _held.Clear();
        _hasBegun = true;
    }
}
