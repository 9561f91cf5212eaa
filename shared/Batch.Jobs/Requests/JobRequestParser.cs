using System.Text.Json;
using Batch.Inference.Engine;

namespace Batch.Jobs.Requests;

/// <summary>
/// Turns a submission, from HTTP or from the queue, into a <see cref="JobRequest"/> that cannot be wrong.
/// Strict: an unknown field is refused by name, so that a misspelt parameter is not silently ignored.
/// </summary>
public static class JobRequestParser
{
    private static readonly HashSet<string> KnownElsewhere = new(StringComparer.Ordinal)
    {
        "n", "best_of", "presence_penalty", "frequency_penalty", "typical_p", "stop_token_ids", "logprobs", "prompt_logprobs", "top_logprobs", "echo", "stream",
        "include_stop_str_in_output", "skip_special_tokens", "logit_bias", "allowed_token_ids", "bad_words", "no_repeat_ngram_size", "repetition_detection",
        "structured_outputs", "response_format", "json_schema", "tools", "tool_choice", "suffix", "user",
    };

    /// <summary>The document of a submission; the caller disposes it.</summary>
    public static JsonDocument ReadJson(ReadOnlyMemory<byte> json)
    {
        try
        {
            var bytes = json.Span.StartsWith("\uFEFF"u8) ? json[3..] : json;
            return JsonDocument.Parse(bytes, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 16 });
        }
        catch (JsonException e)
        {
            // The parser's own message may quote the input, and the input may be a prompt.
            var where = e.LineNumber is { } line ? $" at line {line + 1}, byte {e.BytePositionInLine + 1}" : "";
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"the submission is not valid JSON{where}; send one object with each field once");
        }
    }

    public static JobRequest Parse(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"a submission must be a JSON object, was {JsonField.Describe(root)}");
        }

        try
        {
            var request = root.EnumerateObject().Aggregate(new JobRequest(), Read);
            return Check(request);
        }
        catch (InvalidOperationException)
        {
            // What System.Text.Json throws for a string that is not Unicode: half a surrogate pair, or bytes that are not UTF-8.
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "the submission holds text that is not Unicode, such as half a surrogate pair");
        }
    }

    private static JobRequest Read(JobRequest request, JsonProperty field) => (field.Name, field.Value.ValueKind) switch
    {
        ("id", not JsonValueKind.Null) => request with { Id = JsonField.Name(field) },
        ("tenant", not JsonValueKind.Null) => request with { Tenant = JsonField.Name(field) },
        ("model", not JsonValueKind.Null) => request with { Model = JsonField.Text(field, 256) },
        ("prompt", not JsonValueKind.Null) => request with { Prompt = JsonField.Text(field, int.MaxValue) },
        ("messages", not JsonValueKind.Null) => request with { Messages = JsonField.Messages(field) },
        ("webhook_url", not JsonValueKind.Null) => request with { WebhookUrl = JsonField.WebAddress(field) },
        ("metadata", not JsonValueKind.Null) => request with { Metadata = JsonField.Metadata(field) },
        ("priority", not JsonValueKind.Null) => request with { Priority = JsonField.Integer(field) },
        ("not_before", not JsonValueKind.Null) => request with { NotBefore = JsonField.Time(field) },
        ("deadline", not JsonValueKind.Null) => request with { Deadline = JsonField.Time(field) },
        ("id" or "tenant" or "model" or "prompt" or "messages" or "webhook_url" or "metadata" or "priority" or "not_before" or "deadline", _) => request,
        _ => request with { Parameters = Read(request.Parameters, field) },
    };

    private static JobParameters Read(JobParameters parameters, JsonProperty field) => (field.Name, field.Value.ValueKind) switch
    {
        ("max_tokens", not JsonValueKind.Null) => parameters with { MaxTokens = JsonField.Integer(field) },
        ("min_tokens", not JsonValueKind.Null) => parameters with { MinTokens = JsonField.Integer(field) },
        ("temperature", not JsonValueKind.Null) => parameters with { Temperature = JsonField.Number(field) },
        ("top_k", not JsonValueKind.Null) => parameters with { TopK = JsonField.Integer(field) },
        ("top_p", not JsonValueKind.Null) => parameters with { TopP = JsonField.Number(field) },
        ("min_p", not JsonValueKind.Null) => parameters with { MinP = JsonField.Number(field) },
        ("repetition_penalty", not JsonValueKind.Null) => parameters with { RepetitionPenalty = JsonField.Number(field) },
        ("seed", not JsonValueKind.Null) => parameters with { Seed = JsonField.Seed(field) },
        ("stop", not JsonValueKind.Null) => parameters with { Stop = JsonField.Strings(field) },
        ("ignore_eos", not JsonValueKind.Null) => parameters with { IgnoreEos = JsonField.Boolean(field) },
        ("max_tokens" or "min_tokens" or "temperature" or "top_k" or "top_p" or "min_p" or "repetition_penalty" or "seed" or "stop" or "ignore_eos", _) => parameters,
        _ when KnownElsewhere.Contains(field.Name) =>
            throw new InvalidJobException(JobErrorCode.UnsupportedParameter, $"{field.Name} is not supported; leave it out", field.Name),
        _ => throw new InvalidJobException(JobErrorCode.InvalidRequest, $"unknown field {JsonField.Quote(field.Name)}; check its spelling or leave it out", JsonField.Clip(field.Name)),
    };

    private static JobRequest Check(JobRequest request)
    {
        if (request.Prompt is null == request.Messages is null)
        {
            var seen = request.Prompt is null ? "none" : "both prompt and messages";
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"give exactly one of prompt, messages and input_blob, saw {seen}", "prompt");
        }

        if (request.Prompt?.Length == 0)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "prompt must not be empty", "prompt");
        }

        if (request is { NotBefore: { } start, Deadline: { } end } && end <= start)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"deadline must be after not_before ({start:O}), was {end:O}", "deadline");
        }

        request.Parameters.Over(new SamplingParams());
        return request;
    }
}
