using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using Batch.Inference.Engine;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Events;
using Batch.Jobs.Files;
using Batch.Jobs.Interactive;
using Batch.Jobs.Requests;
using Batch.Jobs.Schedules;
using Batch.Jobs.Webhooks;

namespace Batch.Functions.OpenApi;

/// <summary>
/// The schemas of what is sent. Those of jobs and completions list the fields that the parser takes, each with the type of the property that
/// it fills and what that property's comment says; bounds are the parser's to say.
/// </summary>
internal static class RequestSchemas
{
    public const string Job = "JobRequest";
    public const string Completion = "CompletionRequest";
    public const string ChatCompletion = "ChatCompletionRequest";
    public const string Replay = "ReplayRequest";
    public const string Batch = "BatchRequest";
    public const string File = "FileUpload";
    public const string Schedule = "ScheduleRequest";
    public const string ScheduleChange = "ScheduleChange";
    public const string Key = "ApiKeyRequest";
    public const string Rotation = "Rotation";
    public const string Endpoint = "WebhookEndpointRequest";
    public const string EndpointChange = "WebhookEndpointChange";
    public const string TestEvent = "WebhookTest";
    public const string ReplayFailed = "WebhookReplay";

    public static IReadOnlyDictionary<string, Func<JsonObject>> All { get; } = new SortedDictionary<string, Func<JsonObject>>(StringComparer.Ordinal)
    {
        [Job] = () => Object(JobTypes, Submission(name => true).Append(("input_blob", Text("container/name of a blob with the prompt, or with a whole submission"))), [],
            """{"id": "article-7", "prompt": "清晨的菜市场\n\n", "max_tokens": 120, "temperature": 0.7, "stop": ["。\n"], "seed": 7, "metadata": {"desk": "news"}}"""),
        [Completion] = () => Object(JobTypes, Completions().Append(("prompt", Prompt())), ["prompt"],
            """{"prompt": "Once upon a time", "max_tokens": 40, "seed": 7}"""),
        [ChatCompletion] = () => Object(
            JobTypes,
            Completions().Append(("messages", ArrayOf(new JsonObject { ["type"] = "object" }))).Append(("top_logprobs", Integer("So many alternatives for each token; needs logprobs: true"))), ["messages"],
            """{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 40}"""),
        [Replay] = () => Object(
            [typeof(ReplayFilter)], [("code", Text()), ("since", Time()), ("limit", Bounded(1, 1000)), ("after", Text())], [],
            """{"code": "retries_exhausted", "limit": 100}"""),
        [Batch] = () => Object(
            [typeof(BatchRequest)],
            [
                ("input_file_id", Text()), ("endpoint", OneOf(BatchRequest.Endpoints)), ("completion_window", Text()), ("metadata", Metadata()),
                ("output_expires_after", Life("How long the output and error files are kept")),
                ("input_blob", Text()), ("output_folder", Object([], [("url", Text("Where the output and error blobs go: an address in the account, or container/name"))], ["url"], null)),
                ("priority", Integer()), ("webhook_url", Address()),
            ],
            ["endpoint", "completion_window"],
            """{"input_file_id": "file-x", "endpoint": "/v1/completions", "completion_window": "24h", "metadata": {"team": "news"}}"""),
        [File] = () => Object(
            [],
            [
                ("file", new JsonObject { ["type"] = "string", ["contentMediaType"] = "application/octet-stream", ["description"] = "The lines, at most 200 MB" }),
                ("purpose", Constant(FilePurpose.Batch)), ("expires_after[anchor]", Constant("created_at")), ("expires_after[seconds]", Seconds()),
            ],
            ["file", "purpose"], null),
        [Schedule] = () => Object([typeof(ScheduleDefinition)], Definition(), ["cron"],
            """{"name": "morning", "cron": "0 9 * * *", "time_zone": "Asia/Shanghai", "job": {"prompt": "{{ today }}\n\n", "max_tokens": 120}}"""),
        [ScheduleChange] = () => Object(
            [typeof(ScheduleDefinition)], Definition().Append(("paused", Boolean("No tick makes a run while it is true"))), [], """{"paused": true}"""),
        [Key] = () => Object(
            [typeof(ApiKeyRequest)], [("name", Text()), ("scopes", ArrayOf(OneOf(["read", "submit", "admin"]))), ("expires_at", Time())], [],
            """{"name": "ci", "scopes": ["read", "submit"]}"""),
        [Rotation] = () => Object([], [("overlap_seconds", Described(Bounded(0, 30 * 86_400), "How long the old one goes on; a day by default"))], [], """{"overlap_seconds": 3600}"""),
        [Endpoint] = () => Object([typeof(EndpointRequest)], EndpointFields(), ["url"],
            """{"url": "https://example.org/hook", "description": "news desk", "events": ["batch.*"], "format": "openai"}"""),
        [EndpointChange] = () => Object([typeof(EndpointRequest)], EndpointFields(), [], """{"events": ["batch.completed", "batch.job.*"], "status": "enabled"}"""),
        [TestEvent] = () => Object([], [("type", Described(OneOf(EventType.All), "The type of the made-up event; batch.completed by default"))], [], """{"type": "batch.job.failed"}"""),
        [ReplayFailed] = () => Object([typeof(ReplayRequest)], [("since", Time()), ("after", Text())], [], """{"since": "2026-01-31T00:00:00Z"}"""),
    };

    private static Type[] JobTypes => [typeof(JobRequest), typeof(JobParameters), typeof(SamplingParams)];

    private static IEnumerable<(string, JsonObject)> Submission(Func<string, bool> takes)
    {
        var properties = Properties(typeof(JobRequest)).Concat(Properties(typeof(JobParameters))).ToLookup(pair => pair.Key, pair => pair.Value);
        return JobRequestParser.FieldNames.Where(takes).Select(name => (name, Taken(name) ?? properties[name].FirstOrDefault()?.DeepClone() as JsonObject ?? []));
    }

    // What is read in other shapes than the property that it fills.
    private static JsonObject? Taken(string name) => name switch
    {
        "max_tokens" => new JsonObject { ["type"] = new JsonArray("integer", "null") },
        "stop" => new JsonObject { ["type"] = new JsonArray("string", "array", "null"), ["items"] = Text() },
        "messages" => ArrayOf(new JsonObject { ["type"] = "object" }),
        "not_before" or "deadline" => Time(),
        "early_stopping" => new JsonObject { ["enum"] = new JsonArray(true, false, "never") },
        "interventions" => ArrayOf(new JsonObject { ["type"] = "object" }),
        "structured_outputs" or "repetition_detection" => new JsonObject { ["type"] = new JsonArray("object", "null") },
        "response_format" => Described(new JsonObject { ["type"] = "object" }, "As OpenAI's: of type text, json_object or json_schema"),
        _ => null,
    };

    private static IEnumerable<(string, JsonObject)> Completions() => Submission(name => !InteractiveCompletions.NotFields.Contains(name) && !InteractiveCompletions.WithoutEffect.Contains(name) && name is not ("prompt" or "messages" or "logprobs"))
        .Concat(
        [
            ("logprobs", Described(new JsonObject { ["type"] = new JsonArray("boolean", "integer", "null") }, "Log probabilities: true of a chat, how many alternatives of a text")),
            ("stream", Boolean("Server-sent events instead of one answer")),
            ("stream_options", Described(
                Object([], [("include_usage", Boolean("A last chunk counts the tokens")), ("include_obfuscation", Boolean("Has no effect: no chunk is padded"))], [], null), "With stream alone")),
            ("max_completion_tokens", Integer("As max_tokens")), ("best_of", new JsonObject { ["const"] = 1, ["description"] = "Only 1" }),
            ("store", new JsonObject { ["const"] = false, ["description"] = "Only false" }),
            .. InteractiveCompletions.WithoutEffect.Where(name => name != "stream_options").Select(name => (name, new JsonObject { ["description"] = "Has no effect" })),
        ]);

    private static JsonObject Prompt() => Described(new JsonObject { ["type"] = new JsonArray("string", "array") }, "The text to continue: a string, tokens, or a list of one of them");

    private static IEnumerable<(string, JsonObject)> Definition() =>
    [
        ("name", Text()), ("cron", Text()), ("time_zone", Text()), ("misfire", OneOf(["skip", "catch_up_once"])),
        ("job", new JsonObject { ["type"] = "object" }), ("batch", new JsonObject { ["type"] = "object" }), ("webhook_url", Address()), ("rows_blob", Text()), ("variables", Metadata()),
    ];

    private static IEnumerable<(string, JsonObject)> EndpointFields() =>
    [
        ("url", Address()), ("description", Text()), ("events", Described(ArrayOf(Text()), "Types by name, beginnings such as batch.*, or *, the default")),
        ("format", OneOf(["openai", "cloudevents"])), ("status", Described(OneOf(["enabled", "disabled"]), "An endpoint is told of what ends while it is enabled")),
    ];

    private static JsonObject Properties(Type type) =>
        JobJson.Options.GetJsonSchemaAsNode(type)["properties"]!.AsObject();

    /// <param name="types">Whose comments say what a field means that has no description of its own: the first that knows a property of its name.</param>
    private static JsonObject Object(IReadOnlyList<Type> types, IEnumerable<(string Name, JsonObject Schema)> fields, IEnumerable<string> required, string? example)
    {
        var properties = new JsonObject();
        foreach (var (name, schema) in fields)
        {
            var property = string.Concat(name.Split('_').Select(part => char.ToUpperInvariant(part[0]) + part[1..]));
            properties[name] = schema.ContainsKey("description") || types.Select(type => DocComments.Of(type, property)).FirstOrDefault(said => said is not null) is not { } said
                ? schema
                : Described(schema, said);
        }

        var made = new JsonObject { ["type"] = "object", ["properties"] = properties };
        if (required.Any())
        {
            made["required"] = new JsonArray([.. required.Select(name => (JsonNode)name)]);
        }

        made["additionalProperties"] = false;
        if (example is not null)
        {
            made["examples"] = new JsonArray(JsonNode.Parse(example));
        }

        return made;
    }

    private static JsonObject Described(JsonObject schema, string description)
    {
        schema["description"] = description;
        return schema;
    }

    private static JsonObject Text(string? description = null) => Typed("string", description);

    private static JsonObject Integer(string? description = null) => Typed("integer", description);

    private static JsonObject Boolean(string description) => Typed("boolean", description);

    private static JsonObject Typed(string type, string? description)
    {
        var schema = new JsonObject { ["type"] = type };
        return description is null ? schema : Described(schema, description);
    }

    // Two ways to write it, told beside what it is for.
    private static JsonObject Time() => new() { ["type"] = new JsonArray("integer", "string"), ["examples"] = new JsonArray("2027-01-31T00:00:00Z", 1801353600) };

    private static JsonObject Bounded(int least, int most) => new() { ["type"] = "integer", ["minimum"] = least, ["maximum"] = most };

    private static JsonObject Seconds() => Described(Bounded(FileIntake.ShortestLife, FileIntake.LongestLife), "For how long after its creation");

    private static JsonObject Life(string description) =>
        Described(Object([], [("anchor", Constant("created_at")), ("seconds", Seconds())], ["anchor", "seconds"], null), description);

    private static JsonObject Address() => new() { ["type"] = "string", ["format"] = "uri" };

    private static JsonObject OneOf(IEnumerable<string> values) => new() { ["type"] = "string", ["enum"] = new JsonArray([.. values.Select(value => (JsonNode)value)]) };

    private static JsonObject Constant(string value) => new() { ["const"] = value, ["description"] = $"Always {value}" };

    private static JsonObject ArrayOf(JsonObject items) => new() { ["type"] = "array", ["items"] = items };

    private static JsonObject Metadata() => new() { ["type"] = "object", ["maxProperties"] = 16, ["additionalProperties"] = new JsonObject { ["type"] = "string", ["maxLength"] = 512 } };
}
