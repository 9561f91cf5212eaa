using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Files over HTTP.</summary>
public sealed class FilesTests(StorageEmulator storage)
{
    private readonly ScriptedEngine _engine = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task File_IsUploadedShownListedReadAndDeleted()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var before = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

        var file = await UploadAsync(host, "一行\n", ("purpose", "batch"), ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "3600"));

        var id = Text(file, "id")!;
        Assert.Matches("^file-[0-9a-f]{32}$", id);
        Assert.Equal(("file", "batch", "input.jsonl", "processed"), (Text(file, "object"), Text(file, "purpose"), Text(file, "filename"), Text(file, "status")));
        Assert.Equal(7, file.GetProperty("bytes").GetInt64());
        Assert.InRange(file.GetProperty("expires_at").GetInt64() - file.GetProperty("created_at").GetInt64(), 3600, 3600);
        Assert.True(file.GetProperty("created_at").GetInt64() >= before);
        Assert.Equal(id, Text(await host.GetAsync($"v1/files/{id}"), "id"));
        Assert.Equal("一行\n", await host.Http.GetStringAsync($"v1/files/{id}/content", Cancellation));
        Assert.Equal(id, Text(await host.GetAsync("v1/files?limit=1"), "first_id"));

        using var deleted = await host.Http.DeleteAsync($"v1/files/{id}", Cancellation);
        var answer = await deleted.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.Equal((id, "file", true), (Text(answer, "id"), Text(answer, "object"), answer.GetProperty("deleted").GetBoolean()));
        foreach (var path in new[] { $"v1/files/{id}", $"v1/files/{id}/content" })
        {
            using var gone = await host.Http.GetAsync(path, Cancellation);
            Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        }
    }

    [Fact]
    public async Task ListFiles_PagesInBothOrders()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Admin));
        var ids = new List<string>();
        foreach (var _ in Enumerable.Range(0, 3))
        {
            ids.Add(Text(await UploadAsync(host, "{}", ("purpose", "batch")), "id")!);
        }

        // Those of one millisecond have no order between them that was promised, only one that stays.
        var newest = (await host.GetAsync("v1/files")).GetProperty("data").EnumerateArray().Select(file => Text(file, "id")!).ToList();
        var first = await host.GetAsync("v1/files?limit=2");
        var rest = await host.GetAsync($"v1/files?limit=2&after={Text(first, "last_id")}");
        var oldest = await host.GetAsync("v1/files?order=asc&limit=2");

        Assert.Equal(ids.Order(StringComparer.Ordinal), newest);
        Assert.Equal((true, false), (first.GetProperty("has_more").GetBoolean(), rest.GetProperty("has_more").GetBoolean()));
        Assert.Equal(newest, first.GetProperty("data").EnumerateArray().Concat(rest.GetProperty("data").EnumerateArray()).Select(file => Text(file, "id")!));
        Assert.Equal(Enumerable.Reverse(newest).Take(2), oldest.GetProperty("data").EnumerateArray().Select(file => Text(file, "id")!));
        Assert.Empty((await host.GetAsync("v1/files?purpose=batch_output")).GetProperty("data").EnumerateArray());
    }

    [Theory]
    [InlineData("fine-tune", null, null, "purpose")]
    [InlineData(null, null, null, "purpose")]
    [InlineData("batch", "last_active_at", "3600", "expires_after")]
    [InlineData("batch", "created_at", "60", "expires_after")]
    [InlineData("batch", null, "3600", "expires_after")]
    public async Task UploadFile_Answers400AndKeepsNothing_WhenAFieldIsWrong(string? purpose, string? anchor, string? seconds, string param)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var tenant = $"t{Guid.NewGuid():N}";
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync(tenant, ApiScopes.Admin));
        (string, string)[] fields = [.. new[] { ("purpose", purpose), ("expires_after[anchor]", anchor), ("expires_after[seconds]", seconds) }.Where(field => field.Item2 is not null).Select(field => (field.Item1, field.Item2!))];

        using var response = await PostAsync(host, new ByteArrayContent("{}"u8.ToArray()), fields);

        var error = (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("error");
        Assert.Equal((HttpStatusCode.BadRequest, param), (response.StatusCode, Text(error, "param")));
        Assert.Empty((await host.GetAsync("v1/files")).GetProperty("data").EnumerateArray());
        Assert.Empty(await host.Storage.Blobs.GetBlobContainerClient(FileStore.FilesContainer).GetBlobsAsync(new Azure.Storage.Blobs.Models.GetBlobsOptions { Prefix = tenant }, Cancellation).ToListAsync(Cancellation));
    }

    [Fact]
    public async Task UploadFile_Answers413_WhenTheFileIsTooLong()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/files") { Content = new StreamContent(new EndlessLines(FileIntake.MaxBytes + (4 * 1024 * 1024))) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse("multipart/form-data; boundary=b");
        request.Content.Headers.ContentLength = FileIntake.MaxBytes + (4 * 1024 * 1024);
        request.Headers.ExpectContinue = true;

        using var response = await host.Http.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Contains("request_too_large", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_IsNotThere_ForAnotherTenant()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var id = Text(await UploadAsync(host, "{}", ("purpose", "batch")), "id");
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync("acme", ApiScopes.Admin));

        using var shown = await host.Http.GetAsync($"v1/files/{id}", Cancellation);
        using var read = await host.Http.GetAsync($"v1/files/{id}/content", Cancellation);
        using var deleted = await host.Http.DeleteAsync($"v1/files/{id}", Cancellation);
        using var used = await host.Http.PostAsJsonAsync("v1/batches", new { input_file_id = id, endpoint = "/v1/completions", completion_window = "24h" }, Cancellation);

        Assert.All([shown, read, deleted, used], response => Assert.Equal(HttpStatusCode.NotFound, response.StatusCode));
    }

    private static async Task<JsonElement> UploadAsync(RunningHost host, string content, params (string Name, string Value)[] fields)
    {
        using var response = await PostAsync(host, new ByteArrayContent(Encoding.UTF8.GetBytes(content)), fields);
        return await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation);
    }

    private static async Task<HttpResponseMessage> PostAsync(RunningHost host, HttpContent file, params (string Name, string Value)[] fields)
    {
        using var form = new MultipartFormDataContent();
        form.Add(file, "file", "input.jsonl");
        foreach (var (name, value) in fields)
        {
            form.Add(new StringContent(value), name);
        }

        return await host.Http.PostAsync("v1/files", form, Cancellation);
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private LlmEngine Scripted(EngineOptions options) => _engine;
}
