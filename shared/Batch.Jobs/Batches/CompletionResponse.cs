using System.Text.Json;
using System.Text.Json.Serialization;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>
/// A line of an output or error file, in OpenAI's shape. The ids follow from batch and custom_id, so that a line run again has the same.
/// </summary>
internal static class CompletionResponse
{
    // Every member is there, null or not, as clients of these shapes expect.
    public static readonly JsonSerializerOptions Options = new(JobJson.Options) { DefaultIgnoreCondition = JsonIgnoreCondition.Never };

    public static string Completed(string id, string customId, object body) => Line(id, customId, new ResponseOf(200, RequestId(id), body), null);

    /// <summary>The request was wrong: what a direct call would have answered.</summary>
    public static string Refused(string id, string customId, InvalidJobException e) => Line(
        id, customId, new ResponseOf(400, RequestId(id), new { Error = new { e.Message, Type = "invalid_request_error", e.Param, e.Code } }), null);

    /// <summary>The request has no answer.</summary>
    public static string Ended(string id, string customId, string code, string message) => Line(id, customId, null, new { Code = code, Message = message });

    public static TextCompletion Text(string id, DateTimeOffset now, GeneratedTexts text) => new(
        $"cmpl-{id}",
        "text_completion",
        now.ToUnixTimeSeconds(),
        text.Model,
        [.. text.Choices.Select(choice => new TextChoice(choice.Text, choice.Index, CompletionLogprobs.Of(choice, text.Prompt), choice.FinishReason))],
        UsageOf(text),
        text.ModelIdentity);

    public static ChatCompletion Chat(string id, DateTimeOffset now, GeneratedTexts text) => new(
        $"chatcmpl-{id}",
        "chat.completion",
        now.ToUnixTimeSeconds(),
        text.Model,
        [.. text.Choices.Select(choice => new ChatChoice(choice.Index, new ChatReply("assistant", choice.Text, Refusal: null), ChatLogprobs.Of(choice.Logprobs?.Content), choice.FinishReason))],
        UsageOf(text),
        text.ModelIdentity);

    public static CompletionUsage UsageOf(GeneratedTexts text) => new(
        text.PromptTokens,
        text.CompletionTokens,
        text.PromptTokens + text.CompletionTokens,
        new PromptTokensDetails(text.CachedTokens),
        new CompletionTokensDetails(ReasoningTokens: 0));

    private static string RequestId(string id) => $"req_{id}";

    private static string Line(string id, string customId, ResponseOf? response, object? error) =>
        JsonSerializer.Serialize(new { Id = $"batch_req_{id}", CustomId = customId, Response = response, Error = error }, Options);

    private sealed record ResponseOf(int StatusCode, string RequestId, object Body);
}

/// <summary>What the engine made of one request; <see cref="Prompt"/> are its scored tokens where echo asks for them.</summary>
internal sealed record GeneratedTexts(
    IReadOnlyList<JobChoice> Choices,
    IReadOnlyList<TokenScore>? Prompt,
    int PromptTokens,
    int CachedTokens,
    int CompletionTokens,
    string Model,
    string ModelIdentity);
