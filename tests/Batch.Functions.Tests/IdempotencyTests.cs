using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Idempotency keys over HTTP, on every route that makes something.</summary>
public sealed class IdempotencyTests(StorageEmulator storage)
{
    private readonly ScriptedEngine _engine = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Route, a body and another one. <c>{file}</c>, <c>{batch}</c>, <c>{schedule}</c> and <c>{key}</c> stand for ids.</summary>
    public static TheoryData<string, string, string?> Creates => new()
    {
        { "v1/files", "{}\n", "{ }\n" },
        { "v1/batches", """{"input_file_id":"{file}","endpoint":"/v1/completions","completion_window":"24h"}""", """{"input_file_id":"{file}","endpoint":"/v1/completions","completion_window":"7d"}""" },
        { "v1/batches/{batch}/resubmit", "", null },
        { "v1/jobs", """{"prompt":"Once"}""", """{"prompt":"Twice"}""" },
        { "v1/schedules", """{"cron":"0 9 * * *","job":{"prompt":"x"}}""", """{"cron":"0 8 * * *","job":{"prompt":"x"}}""" },
        { "v1/schedules/{schedule}/run", "", null },
        { "v1/keys", """{"name":"a"}""", """{"name":"b"}""" },
        { "v1/keys/{key}/rotate", """{"overlap_seconds":60}""", """{"overlap_seconds":61}""" },
    };

    [Theory]
    [MemberData(nameof(Creates))]
    public async Task Create_MakesOneObject_HoweverOftenItsKeyComes(string route, string body, string? otherBody)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var (path, content, other) = await FillAsync(host, route, body, otherBody);
        var key = Guid.NewGuid().ToString();

        var atOnce = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => PostAsync(host, path, content, key)));
        var later = await PostAsync(host, path, content, key);
        var another = await PostAsync(host, path, content, "another");

        // Of two runs of a schedule at once the second is told to wait, and finds the first one's when it comes again.
        Assert.All(atOnce, answer => Assert.True((int)answer.Status < 300 || answer.Code == "schedule_busy", $"{answer.Status} {answer.Code}"));
        Assert.Equal(later.Id, Assert.Single(atOnce.Append(later).Select(answer => answer.Id).OfType<string>().Distinct()));
        Assert.True((int)later.Status < 300);
        Assert.NotEqual(later.Id, another.Id);
        if (other is not null)
        {
            var refused = await PostAsync(host, path, other, key);
            Assert.Equal((HttpStatusCode.Conflict, "idempotency_conflict"), (refused.Status, refused.Code));
        }
    }

    [Fact]
    public async Task Key_BelongsToItsTenantAndRoute()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var ours = await PostAsync(host, "v1/keys", "{}", "shared");
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Admin));

        var theirs = await PostAsync(host, "v1/keys", """{"name":"other"}""", "shared");
        var schedule = await PostAsync(host, "v1/schedules", """{"cron":"0 9 * * *","job":{"prompt":"x"}}""", "shared");

        Assert.NotEqual(ours.Id, theirs.Id);
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (theirs.Status, schedule.Status));
    }

    [Fact]
    public async Task ApiKey_IsShownOnce_AndLeavesNoSecondKey_WhenItsIdempotencyKeyComesAgain()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Admin));

        var made = await PostAsync(host, "v1/keys", "{}", "once");
        var again = await PostAsync(host, "v1/keys", "{}", "once");

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (made.Status, again.Status));
        Assert.True(made.Body.TryGetProperty("key", out _));
        Assert.False(again.Body.TryGetProperty("key", out _));
        Assert.Equal(2, (await host.GetAsync("v1/keys")).GetProperty("data").GetArrayLength()); // with the one that asks
    }

    [Fact]
    public async Task File_IsUploadedAnew_WhenTheOneOfItsKeyWasDeleted_AndNoBytesAreLeftBehind()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var tenant = $"t{Guid.NewGuid():N}";
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync(tenant, ApiScopes.Admin));
        var first = await PostAsync(host, "v1/files", "{}\n", "k");
        await PostAsync(host, "v1/files", "{}\n", "k");
        await PostAsync(host, "v1/files", "[]\n", "k");
        (await host.Http.DeleteAsync($"v1/files/{first.Id}", Cancellation)).Dispose();

        var second = await PostAsync(host, "v1/files", "{}\n", "k");
        var again = await PostAsync(host, "v1/files", "{}\n", "k");

        Assert.Equal("{}\n", await host.Http.GetStringAsync($"v1/files/{second.Id}/content", Cancellation));
        Assert.Equal((second.Id, second.Body.GetRawText()), (again.Id, again.Body.GetRawText()));
        var blobs = host.Storage.Blobs.GetBlobContainerClient(FileStore.FilesContainer).GetBlobsAsync(new Azure.Storage.Blobs.Models.GetBlobsOptions { Prefix = tenant }, Cancellation);
        Assert.Equal($"{tenant}/{second.Id}", Assert.Single(await blobs.Select(blob => blob.Name).ToListAsync(Cancellation)));
    }

    private async Task<(string Path, string Body, string? Other)> FillAsync(RunningHost host, string route, string body, string? other)
    {
        if (body.Contains("{file}", StringComparison.Ordinal))
        {
            var file = (await PostAsync(host, "v1/files", Line, null)).Id;
            return (route, body.Replace("{file}", file, StringComparison.Ordinal), other?.Replace("{file}", file, StringComparison.Ordinal));
        }

        var (name, id) = route switch
        {
            "v1/batches/{batch}/resubmit" => ("{batch}", await CancelledBatchAsync(host)),
            "v1/schedules/{schedule}/run" => ("{schedule}", (await PostAsync(host, "v1/schedules", """{"cron":"0 9 * * *","job":{"prompt":"x"}}""", null)).Id!),
            "v1/keys/{key}/rotate" => ("{key}", (await PostAsync(host, "v1/keys", "{}", null)).Id!),
            _ => ("-", ""),
        };
        return (route.Replace(name, id, StringComparison.Ordinal), body, other);
    }

    private const string Line = """{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"prompt":"x"}}""";

    private async Task<string> CancelledBatchAsync(RunningHost host)
    {
        _engine.HoldsAfterFirstPiece = true;
        var file = (await PostAsync(host, "v1/files", Line, null)).Id;
        var batch = (await PostAsync(host, "v1/batches", $$"""{"input_file_id":"{{file}}","endpoint":"/v1/completions","completion_window":"24h"}""", null)).Id!;
        await _engine.Held;
        await PostAsync(host, $"v1/batches/{batch}/cancel", "", null);
        while ((await host.GetAsync($"v1/batches/{batch}")).GetProperty("status").GetString() != BatchRow.NameOf(BatchState.Cancelled))
        {
        }

        return batch;
    }

    private static async Task<(HttpStatusCode Status, string? Id, string? Code, JsonElement Body)> PostAsync(RunningHost host, string path, string body, string? key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Content = path == "v1/files"
            ? new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new ByteArrayContent(Encoding.UTF8.GetBytes(body)), "file", "input.jsonl" } }
            : new StringContent(body, Encoding.UTF8, "application/json");
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using var response = await host.Http.SendAsync(request, Cancellation);
        var json = await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        return (response.StatusCode, json.TryGetProperty("id", out var id) ? id.GetString() : null, json.TryGetProperty("error", out var error) ? error.GetProperty("code").GetString() : null, json);
    }

    private LlmEngine Scripted(EngineOptions options) => _engine;
}
