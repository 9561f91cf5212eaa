using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using Batch.Jobs;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Batch.Jobs.Interactive;
using Batch.Jobs.Requests;

namespace Batch.Functions.OpenApi;

/// <summary>
/// The schemas of what is sent. Those of jobs and completions list the fields that the parser takes, each with the type of the property that
/// it fills; bounds are the parser's to say.
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
    public const string Rotation = "ApiKeyRotation";

    public static IReadOnlyDictionary<string, Func<JsonObject>> All { get; } = new SortedDictionary<string, Func<JsonObject>>(StringComparer.Ordinal)
    {
        [Job] = () => Object(Submission(name => true).Append(("input_blob", Text()))),
        [Completion] = () => Object(Completions().Append(("prompt", Any())), "prompt"),
        [ChatCompletion] = () => Object(Completions().Append(("messages", ArrayOf(new JsonObject { ["type"] = "object" }))).Append(("top_logprobs", Integer())), "messages"),
        [Replay] = () => Object(
            [
                ("code", Text("Only those that failed with it")), ("since", Time()), ("limit", new JsonObject { ["type"] = "integer", ["minimum"] = 1, ["maximum"] = 1000 }),
                ("after", Text("Those older than this job")),
            ]),
        [Batch] = () => Object(
            [
                ("input_file_id", Text()), ("endpoint", new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. BatchRequest.Endpoints.Select(name => (JsonNode)name)]) }),
                ("completion_window", Text("24h, 30m, 7d, PT90M: from a second to a year")), ("metadata", Metadata()),
                ("output_expires_after", Object([("anchor", Constant("created_at")), ("seconds", Seconds())], "anchor", "seconds")),
                ("input_blob", Text("An address in the account, or container/name")), ("output_folder", Object([("url", Text())], "url")),
                ("priority", Integer()), ("webhook_url", Address()),
            ],
            "endpoint", "completion_window"),
        [File] = () => Object(
            [
                ("file", new JsonObject { ["type"] = "string", ["contentMediaType"] = "application/octet-stream" }), ("purpose", Constant(FilePurpose.Batch)),
                ("expires_after[anchor]", Constant("created_at")), ("expires_after[seconds]", Seconds()),
            ],
            "file", "purpose"),
        [Schedule] = () => Object(Definition(), "cron"),
        [ScheduleChange] = () => Object(Definition().Append(("paused", new JsonObject { ["type"] = "boolean" }))),
        [Key] = () => Object(
            [
                ("name", Text()), ("scopes", ArrayOf(new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("read", "submit", "admin") })),
                ("expires_at", Time()),
            ]),
        [Rotation] = () => Object([("overlap_seconds", Integer())]),
    };

    private static IEnumerable<(string, JsonNode)> Submission(Func<string, bool> takes)
    {
        var properties = Properties(typeof(JobRequest)).Concat(Properties(typeof(JobParameters))).ToLookup(pair => pair.Key, pair => pair.Value);
        return JobRequestParser.FieldNames.Where(takes).Select(name => (name, properties[name].FirstOrDefault()?.DeepClone() ?? Any()));
    }

    private static IEnumerable<(string, JsonNode)> Completions() => Submission(name => !InteractiveCompletions.NotFields.Contains(name) && name is not ("prompt" or "messages"))
        .Concat(
        [
            ("stream", new JsonObject { ["type"] = "boolean" }), ("stream_options", Object([("include_usage", new JsonObject { ["type"] = "boolean" })])),
            ("max_completion_tokens", Integer()), ("user", Text()),
        ]);

    private static IEnumerable<(string, JsonNode)> Definition() =>
    [
        ("name", Text()), ("cron", Text("minute hour day month weekday; six fields begin with seconds")), ("time_zone", Text("An IANA name")),
        ("misfire", new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("skip", "catch_up_once") }),
        ("job", new JsonObject { ["type"] = "object", ["description"] = $"As {Job}, without id; its strings are templates" }),
        ("batch", new JsonObject { ["type"] = "object", ["description"] = $"As {Batch}, with body instead of its input; in place of job" }), ("webhook_url", Address()),
        ("rows_blob", Text("container/name of a CSV or of JSON lines")), ("variables", Metadata()),
    ];

    private static JsonObject Properties(Type type) =>
        JobJson.Options.GetJsonSchemaAsNode(type)["properties"]!.AsObject();

    private static JsonObject Object(IEnumerable<(string Name, JsonNode Schema)> properties, params string[] required)
    {
        var schema = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject(properties.Select(pair => KeyValuePair.Create(pair.Name, (JsonNode?)pair.Schema))) };
        if (required.Length > 0)
        {
            schema["required"] = new JsonArray([.. required.Select(name => (JsonNode)name)]);
        }

        schema["additionalProperties"] = false;
        return schema;
    }

    private static JsonObject Any() => [];

    private static JsonObject Text(string? description = null) => description is null ? new() { ["type"] = "string" } : new() { ["type"] = "string", ["description"] = description };

    private static JsonObject Time() => new() { ["type"] = new JsonArray("integer", "string"), ["description"] = "Unix seconds, or ISO 8601 with an offset" };

    private static JsonObject Integer() => new() { ["type"] = "integer" };

    private static JsonObject Seconds() => new() { ["type"] = "integer", ["minimum"] = FileIntake.ShortestLife, ["maximum"] = FileIntake.LongestLife };

    private static JsonObject Address() => new() { ["type"] = "string", ["format"] = "uri" };

    private static JsonObject Constant(string value) => new() { ["const"] = value };

    private static JsonObject ArrayOf(JsonObject items) => new() { ["type"] = "array", ["items"] = items };

    private static JsonObject Metadata() => new() { ["type"] = "object", ["maxProperties"] = 16, ["additionalProperties"] = new JsonObject { ["type"] = "string", ["maxLength"] = 512 } };
}
