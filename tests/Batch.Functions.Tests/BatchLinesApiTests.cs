using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>The lines of a running batch over HTTP.</summary>
public sealed class BatchLinesApiTests(StorageEmulator storage)
{
    private const string Line = """{"custom_id":"part 1/a","method":"POST","url":"/v1/completions","body":{"prompt":"Once"}}""";

    private readonly ScriptedEngine _engine = new() { HoldsAfterFirstPiece = true };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Line_IsSeenWithItsTextSoFar_ByItsTenantAlone()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => _engine, settings: ["--Jobs:SliceCheckpointSeconds=1"]);
        var batch = await CreateAsync(host);
        while (Text(await host.GetAsync($"v1/batches/{batch}"), "status") == "validating")
        {
            // Its lines are not known yet.
        }

        JsonElement line;
        do
        {
            line = await host.GetAsync($"v1/batches/{batch}/lines/part%201%2Fa");
        }
        while (line.GetProperty("text").ValueKind == JsonValueKind.Null || line.GetProperty("text").GetString()!.Length == 0);

        Assert.Equal(("part 1/a", "batch.line", "running", "first piece", 1), (Text(line, "custom_id"), Text(line, "object"), Text(line, "status"), Text(line, "text"), line.GetProperty("completion_tokens").GetInt32()));
        var page = await host.GetAsync($"v1/batches/{batch}/lines");
        Assert.Equal(("part 1/a", "part 1/a", false), (Text(Assert.Single(page.GetProperty("data").EnumerateArray()), "custom_id"), Text(page, "last_id"), page.GetProperty("has_more").GetBoolean()));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(host, $"v1/batches/{batch}/lines/part%202"));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(host, $"v1/batches/{batch}/lines?status=done"));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(host, $"v1/batches/{batch}/lines?after=nobody"));
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Admin));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(host, $"v1/batches/{batch}/lines"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(host, $"v1/batches/{batch}/lines/part%201%2Fa"));
        _engine.LetGo();
    }

    private static async Task<string> CreateAsync(RunningHost host)
    {
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new ByteArrayContent(Encoding.UTF8.GetBytes(Line)), "file", "input.jsonl" } };
        using var uploaded = await host.Http.PostAsync("v1/files", form, Cancellation);
        var file = Text(await uploaded.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation), "id");
        using var created = await host.Http.PostAsJsonAsync("v1/batches", new { input_file_id = file, endpoint = "/v1/completions", completion_window = "24h" }, Cancellation);
        return Text(await created.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation), "id")!;
    }

    private static async Task<HttpStatusCode> StatusAsync(RunningHost host, string path)
    {
        using var response = await host.Http.GetAsync(path, Cancellation);
        return response.StatusCode;
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();
}
