using System.Threading.Channels;

namespace Batch.Inference.Engine;

/// <summary>One request on its way through the engine. Between its admission and its end the engine thread alone touches it, but for <see cref="Cancel"/>.</summary>
internal sealed class Sequence
{
    private readonly Channel<GenerationUpdate> _updates = Channel.CreateUnbounded<GenerationUpdate>(new() { SingleReader = true, SingleWriter = true });
    private volatile bool _cancelRequested;

    public Sequence(GenerationRequest request, ulong seed, TextStream text, long arrival)
    {
        (Request, Seed, Text, Arrival) = (request, seed, text, arrival);
        Tokens = [.. request.PromptTokenIds];
        Seen = request.Sampling.RepetitionPenalty == 1f ? null : [.. Tokens];
    }

    public GenerationRequest Request { get; }

    public SamplingParams Sampling => Request.Sampling;

    /// <summary>Seeds the noise of every position.</summary>
    public ulong Seed { get; }

    public TextStream Text { get; }

    /// <summary>Order of arrival.</summary>
    public long Arrival { get; }

    /// <summary>Prompt, then text.</summary>
    public List<int> Tokens { get; }

    /// <summary>The distinct tokens of prompt and text, where a penalty needs them.</summary>
    public HashSet<int>? Seen { get; }

    /// <summary>How many tokens have their keys and values in the cache.</summary>
    public int ComputedTokens { get; set; }

    /// <summary>Cache blocks in the order of the tokens.</summary>
    public List<int> Blocks { get; } = [];

    public int PromptTokens => Request.PromptTokenIds.Count;

    public int CompletionTokens => Tokens.Count - PromptTokens;

    public int PendingTokens => Tokens.Count - ComputedTokens;

    public bool CancelRequested => _cancelRequested;

    public ChannelReader<GenerationUpdate> Updates => _updates.Reader;

    /// <summary>Asks the engine to end the sequence before its next step. Any thread.</summary>
    public void Cancel() => _cancelRequested = true;

    public void Append(int token)
    {
        Tokens.Add(token);
        Seen?.Add(token);
    }

    public void Publish(string text, FinishReason? finishReason)
    {
        _updates.Writer.TryWrite(new GenerationUpdate(text, CompletionTokens, finishReason));
        if (finishReason is not null)
        {
            _updates.Writer.TryComplete();
        }
    }

    public void Fail(Exception error) => _updates.Writer.TryComplete(error);
}
