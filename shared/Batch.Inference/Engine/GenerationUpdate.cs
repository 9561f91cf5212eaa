namespace Batch.Inference.Engine;

/// <summary>Why a text ended.</summary>
public enum FinishReason
{
    /// <summary>The model ended it, or a stop string did.</summary>
    Stop,

    /// <summary>max_tokens or the model's context length was reached.</summary>
    Length,

    /// <summary>The caller cancelled; the text so far stands.</summary>
    Cancelled,
}

/// <summary>One piece of a text on its way. The pieces in order are the text.</summary>
/// <param name="Text">New whole characters, possibly none: a character split over tokens, or text that may still become a stop string, is held back.</param>
/// <param name="CompletionTokens">Tokens generated so far, the end-of-text token included.</param>
/// <param name="FinishReason">Set on the last update and only there.</param>
public sealed record GenerationUpdate(string Text, int CompletionTokens, FinishReason? FinishReason);
