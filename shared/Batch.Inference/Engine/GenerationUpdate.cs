using System.Text;
using Batch.Inference.Engine.Interventions;

namespace Batch.Inference.Engine;

/// <summary>Why a text ended.</summary>
public enum FinishReason
{
    /// <summary>The model ended it, or a stop string or stop token did.</summary>
    Stop,

    /// <summary>max_tokens or the model's context length was reached.</summary>
    Length,

    /// <summary>repetition_detection found that it repeats itself.</summary>
    Repetition,

    /// <summary>The caller cancelled; the text so far stands.</summary>
    Cancelled,
}

/// <summary>What ended a text of <see cref="FinishReason.Stop"/>, where it was not the model's own end of text: one of them is set.</summary>
public readonly record struct StopReason(string? Text, int? TokenId);

/// <summary>One piece of a text on its way. The pieces in order, each after what it takes back, are the text.</summary>
/// <param name="Text">New whole characters, possibly none: a character split over tokens, or text that may still become a stop string, is held back.</param>
/// <param name="CompletionTokens">Tokens generated so far, the end-of-text token included.</param>
/// <param name="FinishReason">Set on the last update and only there.</param>
public sealed record GenerationUpdate(string Text, int CompletionTokens, FinishReason? FinishReason)
{
    /// <summary>So many of the characters handed out before are taken back, before <see cref="Text"/> is appended: an intervention rolled the text back.</summary>
    public int Retracted { get; init; }

    /// <summary>What interventions did, on the last update; null where the request has none.</summary>
    public IReadOnlyList<InterventionRecord>? Interventions { get; init; }

    /// <summary>The stop string or stop token, on the last update.</summary>
    public StopReason? StopReason { get; init; }

    /// <summary>The token that was drawn, whether or not its text is held back; null of an update that tells what became of an earlier one.</summary>
    public DrawnToken? Drawn { get; init; }

    /// <summary>Of the token that this update tells of, whether or not its text is held back; null unless logprobs is asked for.</summary>
    public TokenLogprobs? Logprobs { get; init; }

    /// <summary>Of every prompt token but the first, on the first update, where prompt_logprobs or echo asks for them.</summary>
    public IReadOnlyList<TokenLogprobs>? PromptLogprobs { get; init; }

    /// <summary>Of a text that a beam search found: its log probability over its length to the power of length_penalty.</summary>
    public double? Score { get; init; }

    /// <summary>Tokens of the prompt that were not computed, since an earlier prompt began alike.</summary>
    public int CachedTokens { get; init; }

    /// <summary>All tokens of the text, the one that ended it included; on the last update and only there.</summary>
    public IReadOnlyList<int>? TokenIds { get; init; }

    /// <summary>Makes of the text so far the text with this update.</summary>
    public void ApplyTo(StringBuilder text)
    {
        text.Length -= Retracted;
        text.Append(Text);
    }
}
