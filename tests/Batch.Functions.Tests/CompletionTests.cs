using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Azure.Data.Tables;
using Batch.Inference.Engine;
using Batch.Inference.Tests;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Requests that somebody waits for.</summary>
public sealed class CompletionTests(StorageEmulator storage)
{
    private readonly ScriptedEngine _engine = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("""{"prompt":"a","seed":7}""", "", "first piece|, seed 7|, last piece|:stop")]
    [InlineData("""{"prompt":"a","seed":7,"echo":true}""", "", "afirst piece|, seed 7|, last piece|:stop")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"seed":7}""", "chat/", "|first piece|, seed 7|, last piece|:stop")]
    public async Task Stream_GivesEachPieceAsItComes_ThenTheReasonAndDone(string body, string chat, string expected)
    {
        _engine.HasChatTemplate = true;
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        using var response = await PostAsync(host, $"v1/{chat}completions", body.Replace("\"seed\"", "\"stream\":true,\"seed\"", StringComparison.Ordinal));
        var events = (await response.Content.ReadAsStringAsync(Cancellation)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal("data: [DONE]", events[^1]);
        var chunks = events[..^1].Select(data => JsonDocument.Parse(data["data: ".Length..]).RootElement).ToList();
        Assert.All(chunks, chunk => Assert.False(chunk.TryGetProperty("usage", out _)));
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.Equal(expected, string.Join('|', chunks.Select(chunk => Told(chunk.GetProperty("choices")[0]))));
    }

    [Theory]
    [InlineData(""" "stream":null,"stream_options":null """)]
    [InlineData(""" "stream":false """)]
    public async Task Completion_IsWhole_UnlessAStreamIsAskedFor(string asked)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        using var response = await PostAsync(host, "v1/completions", $$"""{"prompt":"a",{{asked}}}""");

        Assert.Equal("text_completion", (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("object").GetString());
    }

    [Fact]
    public async Task ChatLogprobs_HaveOpenAIsMembers_AlsoWithoutAlternatives()
    {
        _engine.HasChatTemplate = true;
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        using var response = await PostAsync(host, "v1/chat/completions", """{"messages":[{"role":"user","content":"a"}],"logprobs":true,"stream":false}""");

        var logprobs = (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("choices")[0].GetProperty("logprobs");
        Assert.Equal(JsonValueKind.Null, logprobs.GetProperty("refusal").ValueKind);
        Assert.All(logprobs.GetProperty("content").EnumerateArray(), token => Assert.Equal(JsonValueKind.Array, token.GetProperty("top_logprobs").ValueKind));
    }

    [Fact]
    public async Task Model_IsFoundByItsName_AsOpenAIAnswers()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, waitUntilReady: false);

        var model = await host.GetAsync("v1/models/scripted");
        using var nobody = await host.Http.GetAsync("v1/models/gpt-17", Cancellation);

        Assert.Equal(("scripted", "model", "batch"), (model.GetProperty("id").GetString(), model.GetProperty("object").GetString(), model.GetProperty("owned_by").GetString()));
        Assert.Equal((HttpStatusCode.NotFound, "model_not_found"), (nobody.StatusCode, (await nobody.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("error").GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Stream_EndsWithAnErrorEvent_WhenTheHostShutsDown()
    {
        _engine.HoldsAfterFirstPiece = true;
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/completions") { Content = JsonContent.Create(new { prompt = "a", stream = true }) };
        using var response = await host.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        await _engine.Held;

        var stopping = host.StopAsync();
        var events = (await response.Content.ReadAsStringAsync(Cancellation)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        await stopping;

        Assert.Contains("first piece", events[0], StringComparison.Ordinal);
        var error = JsonDocument.Parse(events[^1]["data: ".Length..]).RootElement.GetProperty("error");
        Assert.Equal(("server_error", "shutting_down"), (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
    }

    [Theory]
    [InlineData("completions", """{"prompt":"a","stream":true,"interventions":[{"when":{"tokens":2},"then":{"stop":true}}]}""", 400, "interventions")]
    [InlineData("completions", """{"prompt":"a","stream":true,"echo":true,"logprobs":1}""", 400, "echo")]
    [InlineData("completions", """{"prompt":"a","stream":"yes"}""", 400, "stream")]
    [InlineData("completions", """{"prompt":"a","stream_options":{"include_usage":true}}""", 400, "stream_options")]
    [InlineData("completions", """{"prompt":"a","stream":true,"stream_options":{"usage":true}}""", 400, "usage")]
    [InlineData("completions", """{"prompt":"a","webhook_url":"https://example.org"}""", 400, "webhook_url")]
    [InlineData("completions", """{"prompt":"a","model":"other"}""", 404, "model")]
    [InlineData("chat/completions", """{"messages":[{"role":"user","content":"a"}],"stream":true}""", 400, "messages")]
    [InlineData("completions", """{"prompt":"\ud800"}""", 400, null)]
    [InlineData("completions", "[]", 400, null)]
    public async Task Completion_RefusesByName_WhatItDoesNotDo(string route, string body, int status, string? param)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        using var response = await PostAsync(host, $"v1/{route}", body);

        Assert.Equal(status, (int)response.StatusCode);
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("error");
        Assert.Equal((param, "invalid_request_error"), (error.GetProperty("param").GetString(), error.GetProperty("type").GetString()));
        Assert.Empty(_engine.Requests);
    }

    [Fact]
    public async Task Completion_Answers503WithRetryAfter_WhenTheModelIsNotLoaded()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => throw new InvalidDataException("no such file"), waitUntilReady: false);

        using var response = await PostAsync(host, "v1/completions", """{"prompt":"a"}""");

        Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(5)), (response.StatusCode, response.Headers.RetryAfter?.Delta));
        Assert.Contains("\"code\":\"model_not_ready\"", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Completion_LeavesAnAuditRowOfItsTenant_AndGoesAheadOfAllOthers()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var tenant = $"t{Guid.NewGuid():N}";
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync(tenant, ApiScopes.Submit));

        using var response = await PostAsync(host, "v1/completions", """{"prompt":"从前","seed":7,"n":2}""");

        var body = await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.Equal([ScriptedEngine.TextOf(7), ScriptedEngine.TextOf(8)], body.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()));
        Assert.All(_engine.Requests, request => Assert.Equal(int.MaxValue, request.Priority));
        var row = Assert.Single(await host.Storage.Tables.GetTableClient(AuditLog.AuditTable).QueryAsync<TableEntity>($"Tenant eq '{tenant}'", cancellationToken: Cancellation).ToListAsync(Cancellation));
        Assert.Equal((body.GetProperty("id").GetString(), "Succeeded", "POST /v1/completions"), (row.GetString("JobId"), row.GetString("Outcome"), row.GetString("Route")));
        Assert.Equal((2, 2, 6), (row.GetInt32("PromptCharacters"), row.GetInt32("PromptTokens"), row.GetInt32("CompletionTokens")));
    }

    [Fact]
    public async Task Completion_IsAnsweredFirst_BesideABatchThatFillsTheEngine()
    {
        await using var host = await RunningHost.StartAsync(
            storage, load: null, settings: ["--Engine:Device=cpu", "--Engine:MaxSequences=1", $"--Engine:ModelPath={TestData.Require("stories260K")}"]);
        var lines = string.Join('\n', Enumerable.Range(0, 400).Select(i => $$$"""{"custom_id":"{{{i}}}","method":"POST","url":"/v1/completions","body":{"prompt":"The dog","max_tokens":300,"ignore_eos":true}}"""));
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new StringContent(lines), "file", "input.jsonl" } };
        using var uploaded = await host.Http.PostAsync("v1/files", form, Cancellation);
        var file = (await uploaded.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("id").GetString();
        using var created = await PostAsync(host, "v1/batches", $$"""{"input_file_id":"{{file}}","endpoint":"/v1/completions","completion_window":"24h"}""");
        var id = (await created.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("id").GetString();
        while ((await host.GetAsync($"v1/batches/{id}")).GetProperty("request_counts").GetProperty("completed").GetInt32() == 0)
        {
        }

        using var response = await PostAsync(host, "v1/completions", """{"prompt":"Once upon a time","max_tokens":5}""");

        Assert.Equal(5, (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal("in_progress", (await host.GetAsync($"v1/batches/{id}")).GetProperty("status").GetString());
        using var cancelled = await host.Http.PostAsync($"v1/batches/{id}/cancel", null, Cancellation);
    }

    private static Task<HttpResponseMessage> PostAsync(RunningHost host, string path, string body) =>
        host.Http.PostAsync(path, new StringContent(body), Cancellation);

    private static string Told(JsonElement choice)
    {
        var text = choice.TryGetProperty("delta", out var delta) ? delta.TryGetProperty("content", out var content) ? content.GetString() : "" : choice.GetProperty("text").GetString();
        return choice.GetProperty("finish_reason").GetString() is { } reason ? $"{text}:{reason}" : text!;
    }

    private LlmEngine Scripted(EngineOptions options) => _engine;
}
