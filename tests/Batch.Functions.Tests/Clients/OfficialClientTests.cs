using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;
using OpenAI;
using OpenAI.Batch;
using OpenAI.Files;

namespace Batch.Functions.Tests.Clients;

/// <summary>OpenAI's own clients, told another address and key and nothing else.</summary>
public sealed class OfficialClientTests(StorageEmulator storage)
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private readonly ScriptedEngine _engine = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task JavaScriptClient_UploadsCreatesPollsListsReadsCancelsAndVerifiesTheWebhook()
    {
        await using var host = await StartAsync();
        var key = await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Read | ApiScopes.Submit);
        var environment = new Dictionary<string, string>
        {
            ["OPENAI_BASE_URL"] = new Uri(host.Http.BaseAddress!, "v1").ToString(),
            ["OPENAI_API_KEY"] = key,
            ["OPENAI_WEBHOOK_SECRET"] = Secret,
        };

        var seen = JsonDocument.Parse(await NodePackage.RunAsync("openai", "7.57.0", "batches.mjs", environment)).RootElement;

        var (batch, cancelled, told) = (seen.GetProperty("batch"), seen.GetProperty("cancelled"), seen.GetProperty("told"));
        Assert.Equal(("validating", "completed", "batch"), (Text(seen.GetProperty("created"), "status"), Text(batch, "status"), Text(batch, "object")));
        Assert.Equal((2, 1, 1), Counts(batch));
        Assert.Equal("news", Text(batch.GetProperty("metadata"), "team"));
        Assert.Equal(batch.GetProperty("usage").GetProperty("total_tokens").GetInt32(), batch.GetProperty("usage").GetProperty("input_tokens").GetInt32() + batch.GetProperty("usage").GetProperty("output_tokens").GetInt32());
        var good = Assert.Single(seen.GetProperty("output").EnumerateArray());
        Assert.Equal(ScriptedEngine.TextOf(7), Text(good.GetProperty("response").GetProperty("body").GetProperty("choices")[0], "text"));
        Assert.Equal("bad", Text(Assert.Single(seen.GetProperty("errors").EnumerateArray()), "custom_id"));
        Assert.Equal(("failed", "invalid_json_line", 1), (Text(seen.GetProperty("wrong"), "status"), Text(seen.GetProperty("wrong").GetProperty("errors").GetProperty("data")[0], "code"), seen.GetProperty("wrong").GetProperty("errors").GetProperty("data")[0].GetProperty("line").GetInt32()));
        Assert.Equal([Text(seen.GetProperty("wrong"), "id"), Text(batch, "id")], seen.GetProperty("listed").EnumerateArray().Select(id => id.GetString()));
        Assert.Equal(new[] { Text(batch, "output_file_id"), Text(batch, "error_file_id") }.Order(StringComparer.Ordinal), seen.GetProperty("files").EnumerateArray().Select(id => id.GetString()).Order(StringComparer.Ordinal));
        Assert.Contains(Text(seen.GetProperty("cancelling"), "status"), new[] { "cancelling", "cancelled" });
        Assert.Equal(("cancelled", "batch.cancelled"), (Text(cancelled, "status"), Text(told.GetProperty(Text(cancelled, "id")!), "type")));
        Assert.Equal(("event", "batch.completed"), (Text(told.GetProperty(Text(batch, "id")!), "object"), Text(told.GetProperty(Text(batch, "id")!), "type")));
        Assert.Equal("batch.failed", Text(told.GetProperty(Text(seen.GetProperty("wrong"), "id")!), "type"));
        Assert.Equal(("NotFoundError", 404, "batch_not_found"), (Text(seen.GetProperty("refused"), "name"), seen.GetProperty("refused").GetProperty("status").GetInt32(), Text(seen.GetProperty("refused"), "code")));
        Assert.Equal(("AuthenticationError", true), (Text(seen, "strange"), seen.GetProperty("deleted").GetProperty("deleted").GetBoolean()));
    }

    [Fact]
    public async Task JavaScriptClient_GetsTextsAndChats_WholeAndStreamed()
    {
        _engine.HasChatTemplate = true;
        await using var host = await StartAsync();
        var environment = new Dictionary<string, string>
        {
            ["OPENAI_BASE_URL"] = new Uri(host.Http.BaseAddress!, "v1").ToString(),
            ["OPENAI_API_KEY"] = await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Submit),
        };

        var seen = JsonDocument.Parse(await NodePackage.RunAsync("openai", "7.57.0", "completions.mjs", environment)).RootElement;

        var (text, chat, usage) = (seen.GetProperty("text"), seen.GetProperty("chat"), seen.GetProperty("usage"));
        Assert.Equal(("text_completion", ScriptedEngine.TextOf(7)), (Text(text, "object"), Text(text.GetProperty("choices")[0], "text")));
        Assert.Equal(("chat.completion", ScriptedEngine.TextOf(7)), (Text(chat, "object"), Text(chat.GetProperty("choices")[0].GetProperty("message"), "content")));
        Assert.Equal([ScriptedEngine.TextOf(7), ScriptedEngine.TextOf(8)], seen.GetProperty("streamed").EnumerateArray().Select(t => t.GetString()));
        Assert.Equal(("assistant", ScriptedEngine.TextOf(7), "stop"), (Text(seen.GetProperty("message"), "role"), Text(seen.GetProperty("message"), "content"), Text(seen, "reason")));
        Assert.Equal((4, 6, 10), (usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("completion_tokens").GetInt32(), usage.GetProperty("total_tokens").GetInt32()));
        Assert.Equal(("NotFoundError", "model_not_found", "BadRequestError", "temperature"), (Text(seen.GetProperty("unknown"), "name"), Text(seen.GetProperty("unknown"), "code"), Text(seen.GetProperty("wrong"), "name"), Text(seen.GetProperty("wrong"), "param")));
    }

    [Fact]
    public async Task JavaScriptClient_FreesTheEngine_WhenItAbortsAStream()
    {
        _engine.HoldsAfterFirstPiece = true;
        await using var host = await StartAsync();
        var environment = new Dictionary<string, string>
        {
            ["OPENAI_BASE_URL"] = new Uri(host.Http.BaseAddress!, "v1").ToString(),
            ["OPENAI_API_KEY"] = await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Submit),
        };

        var seen = await NodePackage.RunAsync("openai", "7.57.0", "abort.mjs", environment);

        Assert.Equal("first piece", seen.Trim());
        await _engine.Cancelled.WaitAsync(Cancellation);
    }

    [Fact]
    public async Task DotNetClient_UploadsCreatesPollsListsReadsAndCancels()
    {
        await using var host = await StartAsync();
        var key = new ApiKeyCredential(await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Read | ApiScopes.Submit));
        var address = new Uri(host.Http.BaseAddress!, "v1");
        var files = new OpenAIFileClient(key, new OpenAIClientOptions { Endpoint = address });
        var batches = new BatchClient(key, new BatchClientOptions { Endpoint = address });
        var lines = string.Concat(Enumerable.Range(0, 20).Select(i => $$$"""{"custom_id":"line-{{{i}}}","method":"POST","url":"/v1/completions","body":{"prompt":"Once {{{i}}}"}}""" + "\n"));

        OpenAIFile input = await files.UploadFileAsync(new MemoryStream(Encoding.UTF8.GetBytes(lines)), "input.jsonl", FileUploadPurpose.Batch, Cancellation);
        var made = await batches.CreateBatchAsync(Request(input.Id), waitUntilCompleted: false);
        var batch = await EndedAsync(made);

        Assert.Equal(("completed", (20, 20, 0)), (Text(batch, "status"), Counts(batch)));
        BinaryData output = await files.DownloadFileAsync(Text(batch, "output_file_id"), Cancellation);
        Assert.Equal(20, output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal((FilePurpose.Batch, "input.jsonl"), (input.Purpose, input.Filename));
        OpenAIFileCollection all = await files.GetFilesAsync(FilePurpose.BatchOutput, Cancellation);
        Assert.Equal(Text(batch, "output_file_id"), Assert.Single(all).Id);

        var second = await batches.CreateBatchAsync(Request(input.Id), waitUntilCompleted: false);
        await second.CancelAsync(null);
        Assert.Contains(Text(await EndedAsync(second), "status"), new[] { "cancelled", "completed" });

        var refused = await Assert.ThrowsAsync<ClientResultException>(() => batches.CreateBatchAsync(Request("file-nobody"), waitUntilCompleted: false));
        Assert.Equal(404, refused.Status);
        FileDeletionResult deleted = await files.DeleteFileAsync(input.Id, Cancellation);
        Assert.True(deleted.Deleted);
    }

    private static BinaryContent Request(string file) => BinaryContent.Create(BinaryData.FromObjectAsJson(new
    {
        input_file_id = file,
        endpoint = "/v1/completions",
        completion_window = "24h",
    }));

    private static async Task<JsonElement> EndedAsync(CreateBatchOperation operation)
    {
        while (true)
        {
            var batch = JsonDocument.Parse((await operation.GetBatchAsync(new RequestOptions { CancellationToken = Cancellation })).GetRawResponse().Content).RootElement;
            if (Text(batch, "status") is "completed" or "failed" or "cancelled" or "expired")
            {
                return batch;
            }
        }
    }

    private static (int Total, int Completed, int Failed) Counts(JsonElement batch)
    {
        var counts = batch.GetProperty("request_counts");
        return (counts.GetProperty("total").GetInt32(), counts.GetProperty("completed").GetInt32(), counts.GetProperty("failed").GetInt32());
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private Task<RunningHost> StartAsync() => RunningHost.StartAsync(
        storage, Scripted, settings: [$"--Webhooks:Secret={Secret}", "--Webhooks:AllowHttp=true", "--Webhooks:AllowPrivateAddresses=true"]);

    private LlmEngine Scripted(EngineOptions options) => _engine;
}
