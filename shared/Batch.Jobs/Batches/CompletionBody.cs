using System.Buffers;
using System.Text.Json;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Batches;

/// <summary>
/// Turns the body of an OpenAI completion or chat completion into a <see cref="JobRequest"/>: what differs is written anew, what is the same
/// passes, and what is unknown is refused by name.
/// </summary>
internal static class CompletionBody
{
    public const string Chat = "/v1/chat/completions";
    public const string Text = "/v1/completions";

    // A job's own fields, which a body has no business with.
    internal static readonly HashSet<string> NotHere = new(StringComparer.Ordinal)
    {
        "id", "kind", "targets", "tenant", "webhook_url", "priority", "not_before", "deadline", "input_blob", "traceparent",
    };

    // What says something about the request, not about its text.
    internal static readonly HashSet<string> WithoutEffect = new(StringComparer.Ordinal) { "user", "safety_identifier", "metadata", "service_tier", "stream_options", "prompt_cache_key", "prompt_cache_retention" };

    // What OpenAI's clients may send as null, which asks for nothing, though it is refused with a value.
    private static readonly HashSet<string> MayBeNull = new(StringComparer.Ordinal)
    {
        "stream", "store", "best_of", "suffix", "audio", "prediction", "modalities", "verbosity", "reasoning_effort", "moderation",
    };

    /// <param name="endpoint"><see cref="Chat"/> or <see cref="Text"/>.</param>
    /// <param name="body">An object.</param>
    /// <param name="mayStream">The caller has read stream and can do it.</param>
    public static JobRequest Parse(string endpoint, JsonElement body, bool mayStream = false)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var field in JsonField.Fields(body).Where(field => !mayStream || field.Name != "stream"))
            {
                Write(writer, endpoint, field);
            }

            if (endpoint == Chat)
            {
                WriteLogprobs(writer, body);
            }

            writer.WriteEndObject();
        }

        using var json = JsonDocument.Parse(buffer.WrittenMemory);
        return JobRequestParser.Parse(json.RootElement);
    }

    private static void Write(Utf8JsonWriter writer, string endpoint, JsonProperty field)
    {
        var isChat = endpoint == Chat;
        switch (field.Name)
        {
            case "prompt" when isChat:
            case "messages" when !isChat:
                throw new InvalidJobException(
                    JobErrorCode.InvalidRequest, $"{field.Name} is not a field of {endpoint}; send {(isChat ? "messages" : "prompt")}", field.Name);
            case "prompt":
                WritePrompt(writer, field);
                break;
            case "messages":
                writer.WritePropertyName(field.Name);
                WriteMessages(writer, field);
                break;
            case "max_completion_tokens":
                writer.WritePropertyName("max_tokens");
                field.Value.WriteTo(writer);
                break;
            case "best_of" when field.Value.ValueKind == JsonValueKind.Number && field.Value.TryGetInt32(out var n) && n == 1:
            case "stream" or "store" when field.Value.ValueKind == JsonValueKind.False:
            case "logprobs" or "top_logprobs" when isChat:
            case var optional when field.Value.ValueKind == JsonValueKind.Null && MayBeNull.Contains(optional):
                break;
            case "seed" when field.Value.ValueKind == JsonValueKind.Number && field.Value.TryGetInt64(out var seed) && seed < 0:
                writer.WriteNumber(field.Name, unchecked((ulong)seed)); // OpenAI's are signed
                break;
            case var name when WithoutEffect.Contains(name):
                break;
            case var name when NotHere.Contains(name):
                throw JsonField.Unknown(field);
            default:
                field.WriteTo(writer);
                break;
        }
    }

    // A chat asks in two fields, whether and how many; a text in one.
    private static void WriteLogprobs(Utf8JsonWriter writer, JsonElement body)
    {
        var top = body.TryGetProperty("top_logprobs", out var given) && given.ValueKind != JsonValueKind.Null ? given : (JsonElement?)null;
        var asked = body.TryGetProperty("logprobs", out var flag) ? flag.ValueKind : JsonValueKind.Null;
        if (asked is not (JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null))
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"logprobs must be true or false, was {JsonField.Describe(flag)}", "logprobs");
        }

        if (top is { } many && (asked != JsonValueKind.True || many.ValueKind != JsonValueKind.Number))
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "top_logprobs must be an integer beside logprobs: true", "top_logprobs");
        }

        if (asked == JsonValueKind.True)
        {
            writer.WritePropertyName("logprobs");
            if (top is { } number)
            {
                number.WriteTo(writer);
            }
            else
            {
                writer.WriteNumberValue(0);
            }
        }
    }

    private static void WritePrompt(Utf8JsonWriter writer, JsonProperty field)
    {
        var prompt = field.Value;

        // One prompt may come in a list of its own, as text or as tokens.
        if (prompt.ValueKind == JsonValueKind.Array && prompt.GetArrayLength() > 0 && prompt[0].ValueKind is JsonValueKind.String or JsonValueKind.Array)
        {
            prompt = prompt.GetArrayLength() == 1
                ? prompt[0]
                : throw JsonField.Wrong(field, "one prompt", $"{prompt.GetArrayLength()}; send a request for each");
        }

        writer.WritePropertyName(prompt.ValueKind == JsonValueKind.Array ? "prompt_token_ids" : "prompt");
        prompt.WriteTo(writer);
    }

    private static void WriteMessages(Utf8JsonWriter writer, JsonProperty field)
    {
        if (field.Value.ValueKind != JsonValueKind.Array)
        {
            throw JsonField.Wrong(field, "an array of {role, content}");
        }

        writer.WriteStartArray();
        foreach (var message in field.Value.EnumerateArray())
        {
            if (message.ValueKind != JsonValueKind.Object)
            {
                throw JsonField.Wrong(field, "an array of {role, content}", "another shape");
            }

            writer.WriteStartObject();
            foreach (var part in JsonField.Fields(message))
            {
                WriteMessageField(writer, part);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteMessageField(Utf8JsonWriter writer, JsonProperty part)
    {
        switch (part.Name)
        {
            case "role" when part.Value.ValueKind == JsonValueKind.String && part.Value.GetString() == "developer":
                writer.WriteString(part.Name, "system");
                break;
            case "name" or "refusal":
                break;
            default:
                part.WriteTo(writer);
                break;
        }
    }
}
