using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Functions.OpenApi;
using Batch.Functions.Tests.Clients;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>What every route takes and answers, right or wrong, is what the OpenAPI document says, by a validator of JSON Schema that knows nothing of us.</summary>
public sealed class OpenApiAnswersTests(StorageEmulator storage)
{
    private const string Lines = """
        {"custom_id":"1","method":"POST","url":"/v1/completions","body":{"prompt":"Once","logprobs":1}}
        {"custom_id":"wrong","method":"POST","url":"/v1/completions","body":{"prompt":"Once","temperature":9}}
        """;

    private readonly ScriptedEngine _engine = new() { HasChatTemplate = true, StopReason = new StopReason("no", null) };
    private readonly ConcurrentQueue<Exchange> _exchanges = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryRoute_TakesAndAnswersWhatTheDocumentSays()
    {
        await using var receiver = Receiver.Start();
        await using var host = await RunningHost.StartAsync(
            storage, _ => _engine, settings: ["--Webhooks:Secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--Webhooks:AllowHttp=true", "--Webhooks:AllowPrivateAddresses=true"]);
        using var http = new HttpClient(new Recorder(_exchanges)) { BaseAddress = host.Http.BaseAddress };
        http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Admin));

        await UseJobsAsync(http, receiver);
        await UseBatchesAsync(http, receiver);
        await UseSchedulesAsync(http);
        await UseEndpointsAsync(http, receiver);
        await UseKeysAsync(http);
        await CompleteAsync(http);
        foreach (var path in new[] { "health/live", "health/ready", "openapi.json", "v1/models", "v1/models/scripted" })
        {
            await SendAsync(http, "GET", path);
        }

        await DoWrongAsync(http, await host.NewKeyAsync("scopes", ApiScopes.None));
        var (wrong, seen) = await ValidateAsync(host);

        Assert.Equal("", string.Join('\n', wrong));
        Assert.All(ApiRoute.All.SelectMany(route => route.Methods.Select(method => (Name: $"{method} {route.Path}", route))), each =>
        {
            Assert.True(seen.TryGetValue(each.Name, out var statuses) && statuses.Any(status => status < 300), $"{each.Name} has no success here");
            Assert.True(each.route.Operation!.Scope == ApiScopes.None || statuses.Any(status => status >= 400), $"{each.Name} has no error here");
        });
    }

    [Fact]
    public void EveryPropertyAndParameter_IsDescribed()
    {
        var bare = new List<string>();
        Look(JsonSerializer.SerializeToElement(OpenApiDocument.Build()), "");

        Assert.Equal("", string.Join('\n', bare));

        void Look(JsonElement element, string path)
        {
            foreach (var (name, child) in element.ValueKind == JsonValueKind.Object ? element.EnumerateObject().Select(member => (member.Name, member.Value)) : element.ValueKind == JsonValueKind.Array ? element.EnumerateArray().Select((item, i) => ($"{i}", item)) : [])
            {
                var isTold = path.EndsWith("/properties", StringComparison.Ordinal) || (child.ValueKind == JsonValueKind.Object && child.TryGetProperty("in", out _));
                if (isTold && !child.TryGetProperty("description", out _))
                {
                    bare.Add($"{path}/{name}");
                }

                Look(child, $"{path}/{name}");
            }
        }
    }

    private static async Task UseJobsAsync(HttpClient http, Receiver receiver)
    {
        var id = Id(await SendAsync(http, "POST", "v1/jobs", $$"""{"prompt":"Once","n":2,"logprobs":1,"seed":7,"temperature":1,"stop":"no","metadata":{"a":"b"},"webhook_url":"{{receiver.Address}}"}"""));
        await UntilAsync(http, $"v1/jobs/{id}", job => job.TryGetProperty("webhook", out var webhook) && Text(webhook, "status") == "delivered");
        await SendAsync(http, "GET", "v1/jobs?limit=5");
        await SendAsync(http, "POST", $"v1/jobs/{id}/cancel", "");
        await UseDeliveriesAsync(http, $"v1/jobs/{id}");
        var failed = Id(await SendAsync(http, "POST", "v1/jobs", $$"""{"prompt":"{{new string('x', ScriptedEngine.Context + 1)}}"}"""));
        await UntilAsync(http, $"v1/jobs/{failed}", job => Text(job, "status") == "failed");
        await SendAsync(http, "POST", $"v1/jobs/{failed}/replay", "");
        await UntilAsync(http, $"v1/jobs/{failed}", job => Text(job, "status") == "failed");
        await SendAsync(http, "POST", "v1/jobs/replay", """{"code":"prompt_too_long","since":"2026-01-01T00:00:00Z","limit":1}""");
        await SendAsync(http, "POST", $"v1/jobs/{id}/replay", "");
        var later = Id(await SendAsync(http, "POST", "v1/jobs", """{"prompt":"Once","not_before":"2999-01-01T00:00:00Z"}"""));
        await SendAsync(http, "POST", $"v1/jobs/{later}/cancel", "");
    }

    private async Task UseBatchesAsync(HttpClient http, Receiver receiver)
    {
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new ByteArrayContent(Encoding.UTF8.GetBytes(Lines)), "file", "a.jsonl" } };
        using var uploaded = await http.PostAsync("v1/files", form, Cancellation);
        var file = Id(await uploaded.Content.ReadFromJsonAsync<JsonElement>(Cancellation));
        await SendAsync(http, "GET", "v1/files?purpose=batch&order=asc&limit=1");
        await SendAsync(http, "GET", $"v1/files/{file}");
        var batch = Id(await SendAsync(http, "POST", "v1/batches", $$"""{"input_file_id":"{{file}}","endpoint":"/v1/completions","completion_window":"24h","metadata":{"a":"b"},"output_expires_after":{"anchor":"created_at","seconds":3600},"webhook_url":"{{receiver.Address}}"}"""));
        await UntilAsync(http, $"v1/batches/{batch}", row => Text(row, "status") == "completed" && Text(row.GetProperty("webhook"), "status") == "delivered");
        await SendAsync(http, "GET", $"v1/batches/{batch}/lines?status=ended");
        await SendAsync(http, "GET", $"v1/batches/{batch}/lines/1");
        await SendAsync(http, "GET", "v1/batches?limit=5");
        await SendAsync(http, "POST", $"v1/batches/{batch}/cancel", "");
        await SendAsync(http, "POST", $"v1/batches/{batch}/resubmit", "");
        await UseDeliveriesAsync(http, $"v1/batches/{batch}");
        _engine.HoldsAfterFirstPiece = true;
        var held = Id(await SendAsync(http, "POST", "v1/batches", Example(RequestSchemas.Batch).Replace("file-x", file, StringComparison.Ordinal)));
        foreach (var verb in new[] { "pause", "resume", "cancel" })
        {
            await SendAsync(http, "POST", $"v1/batches/{held}/{verb}", "");
        }

        await UntilAsync(http, $"v1/batches/{held}", row => Text(row, "status") == "cancelled");
        _engine.HoldsAfterFirstPiece = false;
        using var content = await http.GetAsync($"v1/files/{file}/content", Cancellation);
        await SendAsync(http, "DELETE", $"v1/files/{file}");
        await SendAsync(http, "POST", "v1/batches", Example(RequestSchemas.Batch));
    }

    private static async Task UseSchedulesAsync(HttpClient http)
    {
        var id = Id(await SendAsync(http, "POST", "v1/schedules", Example(RequestSchemas.Schedule)));
        await SendAsync(http, "GET", "v1/schedules");
        await SendAsync(http, "GET", $"v1/schedules/{id}");
        await SendAsync(http, "POST", $"v1/schedules/{id}", Example(RequestSchemas.ScheduleChange));
        await SendAsync(http, "POST", $"v1/schedules/{id}/run", "");
        await SendAsync(http, "GET", $"v1/schedules/{id}/runs?limit=5");
        await SendAsync(http, "DELETE", $"v1/schedules/{id}");
    }

    private static async Task UseEndpointsAsync(HttpClient http, Receiver receiver)
    {
        var path = $"v1/webhook_endpoints/{Id(await SendAsync(http, "POST", "v1/webhook_endpoints", Example(RequestSchemas.Endpoint).Replace("https://example.org/hook", receiver.Address.AbsoluteUri, StringComparison.Ordinal), key: "news"))}";
        await SendAsync(http, "GET", "v1/webhook_endpoints?limit=5");
        await SendAsync(http, "GET", path);
        await SendAsync(http, "POST", path, Example(RequestSchemas.EndpointChange));
        await SendAsync(http, "POST", $"{path}/rotate_secret", Example(RequestSchemas.Rotation));
        await SendAsync(http, "POST", $"{path}/test", Example(RequestSchemas.TestEvent));
        await UseDeliveriesAsync(http, path);
        await SendAsync(http, "POST", $"{path}/replay_failed", Example(RequestSchemas.ReplayFailed));
        await SendAsync(http, "POST", path, """{"status":"disabled"}""");
        await SendAsync(http, "POST", $"{path}/test", "");
        await SendAsync(http, "DELETE", path);
    }

    private static async Task UseDeliveriesAsync(HttpClient http, string path)
    {
        await UntilAsync(http, $"{path}/deliveries?status=delivered", page => page.GetProperty("data").GetArrayLength() > 0);
        var delivery = $"{path}/deliveries/{Text((await SendAsync(http, "GET", $"{path}/deliveries?limit=1")).GetProperty("data")[0], "id")}";
        await SendAsync(http, "GET", delivery);
        await SendAsync(http, "POST", $"{delivery}/replay", "");
    }

    private static async Task UseKeysAsync(HttpClient http)
    {
        var id = Id(await SendAsync(http, "POST", "v1/keys", Example(RequestSchemas.Key), key: "ci"));
        await SendAsync(http, "POST", "v1/keys", Example(RequestSchemas.Key), key: "ci");
        await SendAsync(http, "POST", "v1/keys", """{"name":"another"}""", key: "ci");
        await SendAsync(http, "GET", "v1/keys");
        await SendAsync(http, "POST", $"v1/keys/{id}/rotate", Example(RequestSchemas.Rotation));
        await SendAsync(http, "DELETE", $"v1/keys/{id}");
    }

    private static async Task CompleteAsync(HttpClient http)
    {
        foreach (var more in new[] { "", ""","logprobs":1,"echo":true""", ""","stream":true""", ""","stream":true,"logprobs":1,"stream_options":{"include_usage":true}""" })
        {
            await SendAsync(http, "POST", "v1/completions", $$"""{"prompt":"Once"{{more}}}""");
        }

        foreach (var more in new[] { "", ""","logprobs":true,"top_logprobs":1""", ""","stream":true""", ""","stream":true,"logprobs":true,"stream_options":{"include_usage":true}""" })
        {
            await SendAsync(http, "POST", "v1/chat/completions", $$"""{"messages":[{"role":"user","content":"Hello"}]{{more}}}""");
        }

        foreach (var name in new[] { RequestSchemas.Completion, RequestSchemas.ChatCompletion })
        {
            await SendAsync(http, "POST", name == RequestSchemas.Completion ? "v1/completions" : "v1/chat/completions", Example(name));
        }

        await SendAsync(http, "POST", "v1/completions", """{"model":"another","prompt":"Once"}""");
        await SendAsync(http, "POST", "v1/jobs", Example(RequestSchemas.Job));
    }

    // Each route without a key, with one that may nothing, of nobody's object, with a wrong limit and, where it takes one, with a wrong and a long body.
    private async Task DoWrongAsync(HttpClient http, string powerless)
    {
        using var without = new HttpClient(new Recorder(_exchanges)) { BaseAddress = http.BaseAddress };
        foreach (var (route, method) in ApiRoute.All.SelectMany(route => route.Methods.Select(method => (route, method))).Where(each => each.route.Operation!.Scope != ApiScopes.None))
        {
            var path = route.Parameters.Aggregate(route.Path.TrimStart('/'), (made, parameter) => made.Replace($"{{{parameter}}}", "nobody", StringComparison.Ordinal));
            without.DefaultRequestHeaders.Authorization = null;
            await SendAsync(without, method, path, method == "POST" ? "" : null);
            without.DefaultRequestHeaders.Authorization = new("Bearer", powerless);
            await SendAsync(without, method, path, method == "POST" ? "" : null);
            if (route.Parameters.Count > 0)
            {
                await SendAsync(http, method, path, method == "POST" ? "{}" : null);
            }

            if (route.Operation!.Query.Length > 0 && route.Parameters.Count == 0)
            {
                await SendAsync(http, method, $"{path}?limit=0");
            }

            if (route.Operation.Takes is { } takes && takes != RequestSchemas.File && route.Parameters.Count == 0)
            {
                await SendAsync(http, method, path, """{"no such":1}""");
                await SendAsync(http, method, path, $$"""{"long":"{{new string('x', 1_100_000)}}"}""");
            }
        }
    }

    private async Task<(IReadOnlyList<string> Wrong, IReadOnlyDictionary<string, int[]> Seen)> ValidateAsync(RunningHost host)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, JsonSerializer.Serialize(_exchanges, JsonSerializerOptions.Web), Cancellation);
            var said = JsonElement.Parse(await NodePackage.RunAsync(
                "@seriousme/openapi-schema-validator", "2.11.0", "responses.mjs",
                new Dictionary<string, string> { ["BATCH_URL"] = host.Http.BaseAddress!.AbsoluteUri, ["EXCHANGES"] = file }));
            return (said.GetProperty("wrong").Deserialize<string[]>()!, said.GetProperty("seen").Deserialize<Dictionary<string, int[]>>()!);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static async Task UntilAsync(HttpClient http, string path, Func<JsonElement, bool> isSo)
    {
        while (!isSo(await SendAsync(http, "GET", path)))
        {
            // Asked again.
        }
    }

    private static async Task<JsonElement> SendAsync(HttpClient http, string method, string path, string? body = null, string? key = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using var response = await http.SendAsync(request, Cancellation);
        return response.Content.Headers.ContentType?.MediaType == "application/json" ? await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation) : default;
    }

    private static string Example(string name) => RequestSchemas.All[name]()["examples"]![0]!.ToJsonString();

    private static string? Id(JsonElement answer) => answer.TryGetProperty("id", out var id) ? id.GetString() : null;

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private sealed record Exchange(string Method, string Path, string? Request, int Status, string? Type, string Body);

    /// <summary>Keeps what is sent and answered.</summary>
    private sealed class Recorder(ConcurrentQueue<Exchange> exchanges) : DelegatingHandler(new SocketsHttpHandler())
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var sent = request.Content is StringContent content ? await content.ReadAsStringAsync(cancellationToken) : null;
            var response = await base.SendAsync(request, cancellationToken);
            await response.Content.LoadIntoBufferAsync(cancellationToken);
            exchanges.Enqueue(new Exchange(
                request.Method.Method, request.RequestUri!.PathAndQuery, sent, (int)response.StatusCode, response.Content.Headers.ContentType?.ToString(),
                await response.Content.ReadAsStringAsync(cancellationToken)));
            return response;
        }
    }
}
