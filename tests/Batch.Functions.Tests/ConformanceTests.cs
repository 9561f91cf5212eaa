using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Batch.Functions.Tests;

/// <summary>What is wrong with a request is answered as OpenAI answers it: the status, and one shape of an error with all four members.</summary>
public sealed class ConformanceTests(StorageEmulator storage)
{
    private const string Batch = "\"input_file_id\":\"file-x\",\"endpoint\":\"/v1/completions\",\"completion_window\":\"24h\"";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>A request and, in order, its status, error code and param.</summary>
    public static TheoryData<string, string?, int, string, string?> Wrong => new()
    {
        { "GET v1/nothing", null, 404, "unknown_url", null },
        { "GET ", null, 404, "unknown_url", null },
        { "GET v1", null, 404, "unknown_url", null },
        { "POST v1/files/file-x/content/more", "{}", 404, "unknown_url", null },
        { "PUT v1/batches", "{}", 405, "method_not_supported", null },
        { "DELETE v1/batches/batch_x", null, 405, "method_not_supported", null },
        { "PATCH v1/files/file-x", "{}", 405, "method_not_supported", null },
        { "GET v1/batches/batch_x/cancel", null, 405, "method_not_supported", null },
        { "GET v1/batches?limit=0", null, 400, "invalid_request", "limit" },
        { "GET v1/batches?limit=101", null, 400, "invalid_request", "limit" },
        { "GET v1/batches?limit=abc", null, 400, "invalid_request", "limit" },
        { "GET v1/batches?limit=-1", null, 400, "invalid_request", "limit" },
        { "GET v1/batches?limit=1e1", null, 400, "invalid_request", "limit" },
        { "GET v1/batches?limit=99999999999999999999", null, 400, "invalid_request", "limit" },
        { "GET v1/batches?after=%00", null, 400, "invalid_request", "after" },
        { "GET v1/jobs?after=nobody", null, 400, "invalid_request", "after" },
        { "GET v1/files?limit=10001", null, 400, "invalid_request", "limit" },
        { "GET v1/files?order=up", null, 400, "invalid_request", "order" },
        { "GET v1/files?after=a%27b", null, 400, "invalid_request", "after" },
        { "GET v1/files/nobody", null, 404, "file_not_found", "id" },
        { "GET v1/files/a%2Fb", null, 404, "file_not_found", "id" },
        { "GET v1/files/a%23b/content", null, 404, "file_not_found", "id" },
        { "DELETE v1/files/%25", null, 404, "file_not_found", "id" },
        { "GET v1/batches/a%3Fb", null, 404, "batch_not_found", "id" },
        { "POST v1/batches/%01/cancel", "", 404, "batch_not_found", "id" },
        { "GET v1/jobs/a%5Cb", null, 404, "job_not_found", null },
        { "POST v1/batches", "", 400, "invalid_request", null },
        { "POST v1/batches", "[]", 400, "invalid_request", null },
        { "POST v1/batches", "null", 400, "invalid_request", null },
        { "POST v1/batches", "{", 400, "invalid_request", null },
        { "POST v1/batches", "{}", 400, "invalid_request", "endpoint" },
        { "POST v1/batches", """{"endpoint":"/v1/completions","input_file_id":"file-x"}""", 400, "invalid_request", "completion_window" },
        { "POST v1/batches", """{"endpoint":"/v1/completions","completion_window":"24h"}""", 400, "invalid_request", "input_file_id" },
        { "POST v1/batches", """{"endpoint":"/v1/embeddings","completion_window":"24h","input_file_id":"file-x"}""", 400, "invalid_request", "endpoint" },
        { "POST v1/batches", """{"endpoint":"/v1/completions","completion_window":"soon","input_file_id":"file-x"}""", 400, "invalid_request", "completion_window" },
        { "POST v1/batches", """{"endpoint":"/v1/completions","completion_window":24,"input_file_id":"file-x"}""", 400, "invalid_request", "completion_window" },
        { "POST v1/batches", """{"endpoint":"/v1/completions","completion_window":"24h","input_file_id":7}""", 400, "invalid_request", "input_file_id" },
        { "POST v1/batches", With(""), 404, "file_not_found", "input_file_id" },
        { "POST v1/batches", With(""","input_file_id":"file-y" """), 400, "invalid_request", null },
        { "POST v1/batches", With(""","speed":1"""), 400, "invalid_request", "speed" },
        { "POST v1/batches", With(""","metadata":[]"""), 400, "invalid_request", "metadata" },
        { "POST v1/batches", With(""","metadata":{"a":1}"""), 400, "invalid_request", "metadata" },
        { "POST v1/batches", With($",\"metadata\":{{\"{new string('k', 65)}\":\"v\"}}"), 400, "invalid_request", "metadata" },
        { "POST v1/batches", With($",\"metadata\":{{\"k\":\"{new string('v', 513)}\"}}"), 400, "invalid_request", "metadata" },
        { "POST v1/batches", With($",\"metadata\":{{{string.Join(',', Enumerable.Range(0, 17).Select(i => $"\"k{i}\":\"v\""))}}}"), 400, "invalid_request", "metadata" },
        { "POST v1/batches", With(""","output_expires_after":{"anchor":"last_active_at","seconds":3600}"""), 400, "invalid_request", "expires_after" },
        { "POST v1/batches", With(""","output_expires_after":{"anchor":"created_at","seconds":3599}"""), 400, "invalid_request", "output_expires_after" },
        { "POST v1/batches", With(""","output_expires_after":{"anchor":"created_at","seconds":2592001}"""), 400, "invalid_request", "output_expires_after" },
        { "POST v1/batches", With($",\"metadata\":{{\"k\":\"{new string('v', 70_000)}\"}}"), 413, "request_too_large", null },
        { "POST v1/keys", $"{{\"name\":\"{new string('v', 70_000)}\"}}", 413, "request_too_large", null },
        { "POST v1/files", "{}", 400, "invalid_request", null },
        { "POST v1/batches", """{"endpoint":"\ud800"}""", 400, "invalid_request", null },
        { "POST v1/schedules", """{"cron":"\udc00","job":{}}""", 400, "invalid_request", null },
        { "POST v1/keys", """{"\ud800":1}""", 400, "invalid_request", null },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task Request_ThatIsWrong_IsAnsweredInOpenAIsShape(string request, string? body, int status, string code, string? param)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, waitUntilReady: false, clearQueues: false);

        using var response = await SendAsync(host, request, body is null ? null : new StringContent(body, Encoding.UTF8, "application/json"));

        await AssertErrorAsync(response, status, code, param);
    }

    [Theory]
    [InlineData("text/plain", "file=x")]
    [InlineData("multipart/form-data", "no boundary")]
    [InlineData("multipart/form-data; boundary=b", "")]
    [InlineData("multipart/form-data; boundary=b", "--b\r\n\r\nno disposition\r\n--b--\r\n")]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nnever ended")]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b--\r\n")]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nno name\r\n--b--\r\n")]
    public async Task Upload_ThatIsNoForm_IsAnswered400(string contentType, string body)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, waitUntilReady: false, clearQueues: false);
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);

        using var response = await SendAsync(host, "POST v1/files", content);

        await AssertErrorAsync(response, 400, "invalid_request", param: null, anyParam: true);
    }

    [Fact]
    public async Task Methods_ThatAPathTakes_AreNamed()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, waitUntilReady: false, clearQueues: false);

        using var put = await SendAsync(host, "PUT v1/files", null);
        using var head = await SendAsync(host, "HEAD v1/files", null);
        using var slash = await SendAsync(host, "GET v1/files/", null);

        Assert.Equal(["GET", "POST"], put.Content.Headers.Allow);
        Assert.Equal((HttpStatusCode.MethodNotAllowed, HttpStatusCode.OK), (head.StatusCode, slash.StatusCode));
    }

    [Fact]
    public async Task Body_IsReadAsJson_WhateverItsTypeSaysAndWithAByteOrderMark()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, waitUntilReady: false, clearQueues: false);
        using var content = new ByteArrayContent([.. "\uFEFF"u8, .. """{"prompt":"Once"}"""u8]);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/x-www-form-urlencoded"); // what curl -d says

        using var response = await SendAsync(host, "POST v1/jobs", content);

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
    }

    [Theory]
    [InlineData("v1/batches")]
    [InlineData("v1/jobs")]
    [InlineData("v1/schedules")]
    [InlineData("v1/keys")]
    [InlineData("v1/completions")]
    public async Task Body_IsAnswered400_WhenItIsNotUtf8(string path)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, clearQueues: false);

        using var response = await SendAsync(host, $"POST {path}", new ByteArrayContent([.. "{\"name\":\""u8, 0xC3, 0x28, .. "\"}"u8]));

        await AssertErrorAsync(response, 400, "invalid_request", null);
    }

    [Fact]
    public async Task EveryAnswer_HasARequestId_WhichTheAuditRowHasToo()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, waitUntilReady: false, clearQueues: false);
        var ids = new HashSet<string>();
        foreach (var request in new[] { "GET v1/models", "GET v1/nothing", "GET v1/jobs/nobody", "GET health/live", "GET health/ready", "GET openapi.json", "PUT v1/files" })
        {
            using var response = await SendAsync(host, request, null);
            Assert.True(ids.Add(Assert.Single(response.Headers.GetValues("x-request-id"))));
        }

        using var submitted = await host.SubmitAsync("""{"prompt":"Once"}""");
        var id = Assert.Single(submitted.Headers.GetValues("x-request-id"));
        var audit = host.Storage.Tables.GetTableClient("audit").QueryAsync<Azure.Data.Tables.TableEntity>($"RequestId eq '{id}'", cancellationToken: Cancellation);

        Assert.Equal("submit", (await audit.SingleAsync(Cancellation)).GetString("Kind"));
        Assert.All(ids, given => Assert.Matches("^req_[0-9a-f]{32}$", given));
    }

    [Fact]
    public async Task Failure_OfTheServer_IsAnswered500InTheShape_AndSaysNothingOfItsCause()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, waitUntilReady: false, clearQueues: false);
        var gate = host.Services.GetRequiredService<ApiGate>();
        var http = new DefaultHttpContext { RequestServices = host.Services };
        http.Request.Headers.Authorization = host.Http.DefaultRequestHeaders.Authorization!.ToString();
        using var body = new MemoryStream();
        http.Response.Body = body;

        var result = await gate.RunAsync(http.Request, ApiScopes.Read, _ => throw new InvalidOperationException("the secret cause"), Cancellation);
        await result.ExecuteAsync(http);

        var error = JsonDocument.Parse(body.ToArray()).RootElement.GetProperty("error");
        Assert.Equal((500, "server_error", "server_error"), (http.Response.StatusCode, Text(error, "type"), Text(error, "code")));
        Assert.Contains(http.Response.Headers["x-request-id"].ToString(), Text(error, "message"), StringComparison.Ordinal);
        Assert.DoesNotContain("secret", Text(error, "message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tenant_IsHeldToItsRequests_AndTold_WithoutHoldingAnother()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, settings: ["--Limits:RequestsPerMinute=2"]);
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Admin));

        using var first = await SendAsync(host, "GET v1/models", null);
        using var second = await SendAsync(host, "GET v1/models", null);
        using var third = await SendAsync(host, "GET v1/models", null);
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Admin));
        using var other = await SendAsync(host, "GET v1/models", null);

        Assert.Equal(("2", "1", "30s"), (Header(first, "x-ratelimit-limit-requests"), Header(first, "x-ratelimit-remaining-requests"), Header(first, "x-ratelimit-reset-requests")));
        Assert.Equal(("0", "1m0s"), (Header(second, "x-ratelimit-remaining-requests"), Header(second, "x-ratelimit-reset-requests")));
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        Assert.Equal("30", Header(third, "Retry-After"));
        await AssertErrorAsync(third, 429, "rate_limit_exceeded", null, type: "requests");
    }

    [Fact]
    public async Task Tenant_IsHeldToItsTokens_WhenItHandsInMore()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, settings: ["--Limits:TokensPerMinute=300"]);

        using var first = await host.SubmitAsync("""{"prompt":"Once","max_tokens":128,"n":2}""");
        using var second = await host.SubmitAsync("""{"prompt":"Once","max_tokens":200}""");

        Assert.Equal((HttpStatusCode.Accepted, "300"), (first.StatusCode, Header(first, "x-ratelimit-limit-tokens")));
        await AssertErrorAsync(second, 429, "rate_limit_exceeded", null, type: "tokens");
    }

    private static string With(string more) => $"{{{Batch}{more}}}";

    private static async Task<HttpResponseMessage> SendAsync(RunningHost host, string request, HttpContent? content)
    {
        using var message = new HttpRequestMessage(new HttpMethod(request.Split(' ')[0]), request.Split(' ')[1]) { Content = content };
        return await host.Http.SendAsync(message, Cancellation);
    }

    private static async Task AssertErrorAsync(
        HttpResponseMessage response, int status, string code, string? param, bool anyParam = false, string type = "invalid_request_error")
    {
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("error");

        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(member => member.Name));
        Assert.Equal((status, code, type), ((int)response.StatusCode, Text(error, "code"), Text(error, "type")));
        Assert.True(anyParam || param == Text(error, "param"), $"param {Text(error, "param")}: {Text(error, "message")}");
        Assert.NotEmpty(Text(error, "message")!);
    }

    private static string Header(HttpResponseMessage response, string name) => Assert.Single(response.Headers.GetValues(name));

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private static LlmEngine Scripted(EngineOptions options) => new ScriptedEngine();
}
