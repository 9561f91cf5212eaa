using System.Text.Json.Serialization;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>A text, as OpenAI's completions answer it.</summary>
/// <param name="Id">cmpl- and an id.</param>
/// <param name="Kind">Always text_completion.</param>
/// <param name="Created">Unix seconds.</param>
/// <param name="Model">The model that wrote it.</param>
/// <param name="Choices">The n texts.</param>
/// <param name="Usage">The tokens of all.</param>
/// <param name="SystemFingerprint">The fingerprint of the model's weights.</param>
public sealed record TextCompletion(
    string Id, [property: JsonPropertyName("object")] string Kind, long Created, string Model, IReadOnlyList<TextChoice> Choices, CompletionUsage Usage, string SystemFingerprint);

/// <summary>One of the texts, or a piece of it.</summary>
/// <param name="Text">The text without the prompt, unless echo asks for it; of a stream its next piece.</param>
/// <param name="Index">From 0.</param>
/// <param name="Logprobs">Where they were asked for.</param>
/// <param name="FinishReason">stop, length or repetition; null until the text has ended.</param>
public sealed record TextChoice(string Text, int Index, CompletionLogprobs? Logprobs, string? FinishReason);

/// <summary>Answered messages, as OpenAI's chat completions answer them.</summary>
/// <param name="Id">chatcmpl- and an id.</param>
/// <param name="Kind">Always chat.completion.</param>
/// <param name="Created">Unix seconds.</param>
/// <param name="Model">The model that wrote it.</param>
/// <param name="Choices">The n answers.</param>
/// <param name="Usage">The tokens of all.</param>
/// <param name="SystemFingerprint">The fingerprint of the model's weights.</param>
public sealed record ChatCompletion(
    string Id, [property: JsonPropertyName("object")] string Kind, long Created, string Model, IReadOnlyList<ChatChoice> Choices, CompletionUsage Usage, string SystemFingerprint);

/// <summary>One of the answers.</summary>
/// <param name="Index">From 0.</param>
/// <param name="Message">What the model says.</param>
/// <param name="Logprobs">Where they were asked for.</param>
/// <param name="FinishReason">stop, length or repetition.</param>
public sealed record ChatChoice(int Index, ChatReply Message, ChatLogprobs? Logprobs, string FinishReason);

/// <summary>Log probabilities, as OpenAI's chat completions give them.</summary>
/// <param name="Content">An entry for each token.</param>
/// <param name="Refusal">Always null.</param>
public sealed record ChatLogprobs(IReadOnlyList<TokenScore> Content, IReadOnlyList<TokenScore>? Refusal)
{
    /// <summary>Here a token without alternatives has an empty list of them.</summary>
    internal static ChatLogprobs? Of(IReadOnlyList<TokenScore>? scores) =>
        scores is null ? null : new([.. scores.Select(score => score with { TopLogprobs = score.TopLogprobs ?? [] })], Refusal: null);
}

/// <summary>What the model says.</summary>
/// <param name="Role">Always assistant.</param>
/// <param name="Content">The text.</param>
/// <param name="Refusal">Always null: the model refuses in its text, if at all.</param>
public sealed record ChatReply(string Role, string Content, string? Refusal);

/// <summary>Tokens of a completion, as OpenAI counts them.</summary>
/// <param name="PromptTokens">Of the prompt.</param>
/// <param name="CompletionTokens">Of all texts.</param>
/// <param name="TotalTokens">Both.</param>
/// <param name="PromptTokensDetails">Of the prompt's tokens.</param>
/// <param name="CompletionTokensDetails">Of the texts' tokens.</param>
public sealed record CompletionUsage(
    int PromptTokens, int CompletionTokens, int TotalTokens, PromptTokensDetails PromptTokensDetails, CompletionTokensDetails CompletionTokensDetails);

/// <summary>Of the texts' tokens.</summary>
/// <param name="ReasoningTokens">Always 0: every token is in the text.</param>
public sealed record CompletionTokensDetails(int ReasoningTokens);

/// <summary>A piece of a stream. The chunks of one stream have one id.</summary>
/// <param name="Id">cmpl- or chatcmpl- and an id.</param>
/// <param name="Kind">text_completion or chat.completion.chunk.</param>
/// <param name="Created">Unix seconds.</param>
/// <param name="Model">The model that writes it.</param>
/// <param name="SystemFingerprint">The fingerprint of the model's weights.</param>
/// <param name="Choices">The choice that goes on; none in the chunk that counts.</param>
public record UncountedChunk<T>(
    string Id, [property: JsonPropertyName("object")] string Kind, long Created, string Model, string SystemFingerprint, IReadOnlyList<T> Choices);

/// <summary>A piece of a stream. The chunks of one stream have one id.</summary>
/// <param name="Usage">Only where stream_options.include_usage asks for it: null until the last chunk, which has no choices.</param>
public sealed record Chunk<T>(string Id, string Kind, long Created, string Model, string SystemFingerprint, IReadOnlyList<T> Choices, [property: JsonPropertyOrder(1)] CompletionUsage? Usage)
    : UncountedChunk<T>(Id, Kind, Created, Model, SystemFingerprint, Choices);

/// <summary>A piece of one of the answers.</summary>
/// <param name="Index">From 0.</param>
/// <param name="Delta">What is new.</param>
/// <param name="Logprobs">Of the token, where they were asked for.</param>
/// <param name="FinishReason">stop, length or repetition in the last piece; null before.</param>
public sealed record ChatPiece(int Index, ChatDelta Delta, ChatLogprobs? Logprobs, string? FinishReason);

/// <summary>What is new in an answer.</summary>
/// <param name="Role">assistant in the first piece, absent in the others.</param>
/// <param name="Content">The next piece of the text, absent in the last.</param>
public sealed record ChatDelta(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Role = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Content = null);
