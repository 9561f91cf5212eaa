using Microsoft.Extensions.Logging;

namespace Batch.Inference.Engine;

public partial class LlmEngine
{
    /// <summary>The request's sequence: where its checkpoint was taken, or at the beginning where there is none or it does not fit.</summary>
    private Sequence Begin(GenerationRequest request)
    {
        if (request.Resume is not { Drawn.Count: > 0 } checkpoint)
        {
            return NewSequence(request);
        }
        if (Replay(NewSequence(request), checkpoint) is { } sequence)
        {
            return sequence;
        }
        LogStartsAnew(request.Id, checkpoint.Drawn.Count);
        return NewSequence(request);
    }

    // Every draw takes the way of a drawn token again, but for the model; the caller gets all updates anew. Nobody else knows the sequence yet, so this runs
    // on the caller's thread. What the engine then computes is prompt and text together, as for a sequence that lost its place.
    private Sequence? Replay(Sequence sequence, GenerationCheckpoint checkpoint)
    {
        if (!Fits(sequence, checkpoint))
        {
            return null;
        }
        sequence.Resume(checkpoint);
        try
        {
            foreach (var drawn in checkpoint.Drawn)
            {
                if (sequence.HasEnded)
                {
                    return null;
                }
                Advance(sequence, new SampledToken(drawn.Id, drawn.Logprobs) { Entropy = drawn.Entropy });
            }
        }
        catch (InvalidOperationException) // the structured output does not allow the token
        {
            return null;
        }
        return sequence.HasFailed ? null : sequence;
    }

    private bool Fits(Sequence sequence, GenerationCheckpoint checkpoint) =>
        checkpoint.Drawn.All(drawn => drawn.Id >= 0 && drawn.Id < Tokenizer.VocabularySize && drawn.Logprobs is null == sequence.Sampling.Logprobs is null)
        && checkpoint.PromptLogprobs?.Count == (sequence.PromptLogprobs is null ? null : sequence.PromptTokens - 1);

    [LoggerMessage(LogLevel.Warning, "The checkpoint of {Id}, of {Draws} draws, does not fit its request; the text is begun anew")]
    private partial void LogStartsAnew(string id, int draws);
}
