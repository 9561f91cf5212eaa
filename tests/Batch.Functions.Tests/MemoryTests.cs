using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Azure.Storage.Blobs.Models;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public class Alone;

/// <summary>Alone in the process while they run: they measure it. Client, server and storage client are all in it.</summary>
[Collection(nameof(Alone))]
public sealed class MemoryTests(StorageEmulator storage)
{
    private const int Bound = 64 << 20;
    private readonly ScriptedEngine _engine = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task UploadFile_TakesMoreThanTheServersOwnLimit_AndNobodyHoldsTheFile()
    {
        const long Bytes = 150L << 20;
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var lines = new EndlessLines(Bytes);
        using var form = Upload(lines);

        using var response = await host.Http.PostAsync("v1/files", form, Cancellation);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(Bytes, (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("bytes").GetInt64());
        Assert.InRange(lines.MostHeld - before, 1 - before, Bound);
    }

    [Fact]
    public async Task UploadFile_Answers413AndKeepsNothing_AByteBeyondTheLimit_WithoutALengthAndInLittleMemory()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var tenant = $"t{Guid.NewGuid():N}";
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync(tenant, ApiScopes.Admin));
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var lines = new EndlessLines(FileIntake.MaxBytes + 1);
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/files") { Content = Upload(lines) };
        request.Headers.TransferEncodingChunked = true;

        using var response = await host.Http.SendAsync(request, Cancellation);

        Assert.Null(request.Content.Headers.ContentLength);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Contains("request_too_large", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.Empty(await host.Storage.Blobs.GetBlobContainerClient(FileStore.FilesContainer).GetBlobsAsync(new GetBlobsOptions { Prefix = tenant }, Cancellation).ToListAsync(Cancellation));
        Assert.InRange(lines.MostHeld - before, 1 - before, Bound);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    public async Task Submission_IsRefusedUnopened_WhenItIsCompressed(string encoding)
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine());
        var before = GC.GetTotalAllocatedBytes();
        using var content = new ByteArrayContent(Bomb(256 << 20));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add(encoding);

        using var answer = await host.Http.PostAsync(new Uri("v1/jobs", UriKind.Relative), content, Cancellation);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, Bound);
    }

    private static MultipartFormDataContent Upload(Stream lines) => new() { { new StringContent("batch"), "purpose" }, { new StreamContent(lines), "file", "input.jsonl" } };

    private static byte[] Bomb(int size)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            var zeros = new byte[1 << 20];
            for (var written = 0; written < size; written += zeros.Length)
            {
                gzip.Write(zeros);
            }
        }

        return packed.ToArray();
    }

    private LlmEngine Scripted(EngineOptions options) => _engine;
}
