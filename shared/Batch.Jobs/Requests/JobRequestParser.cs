using System.Text.Json;
using Batch.Inference;
using Batch.Inference.Engine;

namespace Batch.Jobs.Requests;

/// <summary>
/// Turns a submission, from HTTP or from the queue, into a <see cref="JobRequest"/> that cannot be wrong. Strict: an unknown field is
/// refused by name, so that a misspelt parameter is not silently ignored.
/// </summary>
public static class JobRequestParser
{
    private static readonly Dictionary<string, Func<JobRequest, JsonProperty, JobRequest>> Fields = new(StringComparer.Ordinal)
    {
        ["id"] = (request, field) => request with { Id = JsonField.Name(field) },
        ["tenant"] = (request, field) => request with { Tenant = JsonField.Name(field) },
        ["model"] = (request, field) => request with { Model = JsonField.Text(field, 256) },
        ["kind"] = (request, field) => request with { Kind = JobKind.Read(field) },
        ["targets"] = (request, field) => request with { Targets = JobKind.ReadTargets(field) },
        ["prompt"] = (request, field) => request with { Prompt = JsonField.Text(field, int.MaxValue) },
        ["prompt_token_ids"] = (request, field) => request with { PromptTokenIds = JsonField.TokenIds(field) },
        ["messages"] = (request, field) => request with { Messages = JsonField.Messages(field) },
        ["webhook_url"] = (request, field) => request with { WebhookUrl = JsonField.WebAddress(field) },
        ["metadata"] = (request, field) => request with { Metadata = JsonField.Metadata(field) },
        ["priority"] = (request, field) => request with { Priority = JsonField.Integer(field) },
        ["not_before"] = (request, field) => request with { NotBefore = JsonField.Time(field) },
        ["deadline"] = (request, field) => request with { Deadline = JsonField.Time(field) },
        ["traceparent"] = (request, field) => request with { Traceparent = JsonField.Traceparent(field) },
        ["max_tokens"] = Parameter((parameters, field) => parameters with { MaxTokens = SamplingField.MaxTokens(field) }),
        ["min_tokens"] = Parameter((parameters, field) => parameters with { MinTokens = JsonField.Integer(field) }),
        ["n"] = Parameter((parameters, field) => parameters with { N = JsonField.Integer(field) }),
        ["temperature"] = Parameter((parameters, field) => parameters with { Temperature = JsonField.Number(field) }),
        ["top_k"] = Parameter((parameters, field) => parameters with { TopK = JsonField.Integer(field) }),
        ["top_p"] = Parameter((parameters, field) => parameters with { TopP = JsonField.Number(field) }),
        ["min_p"] = Parameter((parameters, field) => parameters with { MinP = JsonField.Number(field) }),
        ["typical_p"] = Parameter((parameters, field) => parameters with { TypicalP = JsonField.Number(field) }),
        ["presence_penalty"] = Parameter((parameters, field) => parameters with { PresencePenalty = JsonField.Number(field) }),
        ["frequency_penalty"] = Parameter((parameters, field) => parameters with { FrequencyPenalty = JsonField.Number(field) }),
        ["repetition_penalty"] = Parameter((parameters, field) => parameters with { RepetitionPenalty = JsonField.Number(field) }),
        ["seed"] = Parameter((parameters, field) => parameters with { Seed = JsonField.Seed(field) }),
        ["stop"] = Parameter((parameters, field) => parameters with { Stop = JsonField.Strings(field) }),
        ["stop_token_ids"] = Parameter((parameters, field) => parameters with { StopTokenIds = SamplingField.TokenIds(field) }),
        ["include_stop_str_in_output"] = Parameter((parameters, field) => parameters with { IncludeStopStrInOutput = JsonField.Boolean(field) }),
        ["ignore_eos"] = Parameter((parameters, field) => parameters with { IgnoreEos = JsonField.Boolean(field) }),
        ["skip_special_tokens"] = Parameter((parameters, field) => parameters with { SkipSpecialTokens = JsonField.Boolean(field) }),
        ["echo"] = Parameter((parameters, field) => parameters with { Echo = JsonField.Boolean(field) }),
        ["logprobs"] = Parameter((parameters, field) => parameters with { Logprobs = JsonField.Integer(field) }),
        ["prompt_logprobs"] = Parameter((parameters, field) => parameters with { PromptLogprobs = JsonField.Integer(field) }),
        ["logit_bias"] = Parameter((parameters, field) => parameters with { LogitBias = SamplingField.LogitBias(field) }),
        ["allowed_token_ids"] = Parameter((parameters, field) => parameters with { AllowedTokenIds = SamplingField.TokenIds(field) }),
        ["bad_words"] = Parameter((parameters, field) => parameters with { BadWords = JsonField.Strings(field) }),
        ["no_repeat_ngram_size"] = Parameter((parameters, field) => parameters with { NoRepeatNgramSize = JsonField.Integer(field) }),
        ["dry_multiplier"] = Parameter((parameters, field) => parameters with { DryMultiplier = JsonField.Number(field) }),
        ["dry_base"] = Parameter((parameters, field) => parameters with { DryBase = JsonField.Number(field) }),
        ["dry_allowed_length"] = Parameter((parameters, field) => parameters with { DryAllowedLength = JsonField.Integer(field) }),
        ["dry_sequence_breakers"] = Parameter((parameters, field) => parameters with { DrySequenceBreakers = JsonField.Strings(field) }),
        ["interventions"] = Parameter((parameters, field) => parameters with { Interventions = InterventionField.Read(field) }),
        ["repetition_detection"] = Parameter((parameters, field) => parameters with { RepetitionDetection = SamplingField.RepetitionDetection(field) }),
        ["structured_outputs"] = Parameter((parameters, field) => StructuredField.Add(parameters, field, StructuredField.StructuredOutputs(field))),
        ["response_format"] = Parameter((parameters, field) => StructuredField.Add(parameters, field, StructuredField.ResponseFormat(field))),
        ["num_beams"] = Parameter((parameters, field) => parameters with { NumBeams = JsonField.Integer(field) }),
        ["length_penalty"] = Parameter((parameters, field) => parameters with { LengthPenalty = JsonField.Number(field) }),
        ["early_stopping"] = Parameter((parameters, field) => parameters with { EarlyStopping = SamplingField.EarlyStopping(field) }),
    };

    // Parameters of OpenAI and vLLM that mean something there: a caller who gives one learns that it has no effect here.
    private static readonly HashSet<string> Unsupported = new(StringComparer.Ordinal)
    {
        "best_of", "top_logprobs", "store", "stream", "json_schema", "tools", "tool_choice", "suffix", "user",
        "use_beam_search", "num_return_sequences", "max_completion_tokens", "max_new_tokens",
    };

    /// <summary>The fields of a submission, but for <c>input_blob</c>, which is read before.</summary>
    public static IEnumerable<string> FieldNames => Fields.Keys;

    private const int MostLevels = 60; // a JSON Schema nests

    /// <summary>The document of a submission; the caller disposes it.</summary>
    public static JsonDocument ReadJson(ReadOnlyMemory<byte> json)
    {
        try
        {
            var bytes = json.Span.StartsWith("\uFEFF"u8) ? json[3..] : json;
            return JsonText.Parse(bytes, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = MostLevels });
        }
        catch (NotUnicodeException)
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, "the submission holds text that is not Unicode, such as half a surrogate pair");
        }
        catch (JsonException e)
        {
            // The parser's own message may quote the input, and the input may be a prompt.
            var where = e.LineNumber is { } line ? $" at line {line + 1}, byte {e.BytePositionInLine + 1}" : "";
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"the submission is not valid JSON{where}; send one object with each field once");
        }
    }

    public static JobRequest Parse(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"a submission must be a JSON object, was {JsonField.Describe(root)}");
        }

        var request = root.EnumerateObject().Aggregate(new JobRequest(), Read);
        JobKind.Check(request, root);
        return Check(request);
    }

    private static JobRequest Read(JobRequest request, JsonProperty field) => Fields.TryGetValue(field.Name, out var read)
        ? field.Value.ValueKind == JsonValueKind.Null && field.Name != "max_tokens" ? request : read(request, field)
        : throw (Unsupported.Contains(field.Name)
            ? new InvalidJobException(JobErrorCode.UnsupportedParameter, $"{field.Name} is not supported; leave it out", field.Name)
            : JsonField.Unknown(field));

    private static Func<JobRequest, JsonProperty, JobRequest> Parameter(Func<JobParameters, JsonProperty, JobParameters> read) =>
        (request, field) => request with { Parameters = read(request.Parameters, field) };

    private static JobRequest Check(JobRequest request)
    {
        string[] given = [.. new[] { (request.Prompt as object, "prompt"), (request.Messages, "messages"), (request.PromptTokenIds, "prompt_token_ids") }
            .Where(pair => pair.Item1 is not null).Select(pair => pair.Item2)];
        if (given.Length != 1)
        {
            var seen = given.Length == 0 ? "none" : "both " + string.Join(" and ", given);
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"give exactly one of prompt, prompt_token_ids, messages and input_blob, saw {seen}", "prompt");
        }

        if (request.Prompt?.Length == 0)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "prompt must not be empty", "prompt");
        }

        if (request is { NotBefore: { } start, Deadline: { } end } && end <= start)
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"deadline must be after not_before ({start:O}), was {end:O}", "deadline");
        }

        request.Parameters.Over(new SamplingParams());
        return request;
    }
}
