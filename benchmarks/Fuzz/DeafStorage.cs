using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Azure.Core.Pipeline;
using Azure.Data.Tables;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Batch.Jobs.Storage;

namespace Batch.Benchmarks.Fuzz;

/// <summary>
/// A storage account that takes every write, forgets it, and finds nothing, without leaving the process. As the real one it refuses keys with characters
/// that no key may hold; and it throws where a request leaves the containers that are there, which no input may bring about.
/// </summary>
internal sealed partial class DeafStorage : HttpMessageHandler
{
    private static readonly HashSet<string> Containers = [.. "inputs,results,progress,batches,files,outputs,checkpoints,schedules".Split(',')];

    public StorageClients Clients()
    {
        const string Account = "UseDevelopmentStorage=true";
        var transport = new HttpClientTransport(this);
        var queues = StorageClients.QueueOptions;
        queues.Transport = transport;
        var clients = new StorageClients(
            new TableServiceClient(Account, new TableClientOptions { Transport = transport }), new BlobServiceClient(Account, new BlobClientOptions { Transport = transport }),
            new QueueServiceClient(Account, queues));
        return clients;
    }

    /// <summary>What the blobs in container inputs hold.</summary>
    public byte[]? Input { get; set; }

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) => Answer(request, request.Content?.ReadAsStream(cancellationToken));

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        Answer(request, request.Content is null ? null : await request.Content.ReadAsStreamAsync(cancellationToken));

    private HttpResponseMessage Answer(HttpRequestMessage request, Stream? body)
    {
        var answer = request.RequestUri!.Port switch
        {
            10000 => Blob(request),
            10001 => Queue(request),
            _ => Table(request, body),
        };
        answer.RequestMessage = request;
        answer.Headers.TryAddWithoutValidation("x-ms-version", "2024-01-01");
        return answer;
    }

    private HttpResponseMessage Blob(HttpRequestMessage request)
    {
        var parts = request.RequestUri!.AbsolutePath.Split('/', 4); // "", account, container, name
        var container = Uri.UnescapeDataString(parts[2]);
        if (!Containers.Contains(container))
        {
            throw new InvalidOperationException($"a request to {request.RequestUri}, which is in no container of ours");
        }

        if (request.Method == HttpMethod.Put)
        {
            return With(new HttpResponseMessage(HttpStatusCode.Created), "\"0x1\"");
        }

        if (request.Method == HttpMethod.Delete)
        {
            return With(new HttpResponseMessage(HttpStatusCode.Accepted), "\"0x1\"");
        }

        if (container != "inputs" || Input is not { } content)
        {
            return Error(HttpStatusCode.NotFound, "BlobNotFound");
        }

        var whole = new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(content) };
        if (request.Headers.TryGetValues("x-ms-range", out _) && content.Length > 0)
        {
            whole.StatusCode = HttpStatusCode.PartialContent;
            whole.Content.Headers.ContentRange = new(0, content.Length - 1, content.Length);
        }

        whole.Content.Headers.ContentLength = content.Length; // else it is not among the headers until somebody asks
        whole.Content.Headers.TryAddWithoutValidation("Content-Type", "text/plain");
        whole.Headers.TryAddWithoutValidation("x-ms-blob-type", "BlockBlob");
        return With(whole, "\"0x1\"");
    }

    private static HttpResponseMessage Queue(HttpRequestMessage request)
    {
        if (request.Method != HttpMethod.Post)
        {
            var properties = new HttpResponseMessage(HttpStatusCode.OK);
            properties.Headers.TryAddWithoutValidation("x-ms-approximate-messages-count", "0");
            return properties;
        }

        const string Sent = "<QueueMessagesList><QueueMessage><MessageId>m</MessageId><InsertionTime>Sun, 01 Mar 2026 00:00:00 GMT</InsertionTime><ExpirationTime>Sun, 01 Mar 2026 00:00:00 GMT</ExpirationTime><PopReceipt>p</PopReceipt><TimeNextVisible>Sun, 01 Mar 2026 00:00:00 GMT</TimeNextVisible></QueueMessage></QueueMessagesList>";
        return new HttpResponseMessage(HttpStatusCode.Created) { Content = new StringContent(Sent, Encoding.UTF8, "application/xml") };
    }

    private static HttpResponseMessage Table(HttpRequestMessage request, Stream? body)
    {
        var keys = Keys().Match(Uri.UnescapeDataString(request.RequestUri!.AbsolutePath));
        string?[] given = keys.Success ? [keys.Groups[1].Value, keys.Groups[2].Value] : request.Method == HttpMethod.Post && body is not null ? Given(body) : [];
        if (given.Any(key => key is null || key.Length > 512 || key.Any(c => c is '/' or '\\' or '#' or '?' || char.IsControl(c))))
        {
            return Error(HttpStatusCode.BadRequest, "OutOfRangeInput");
        }

        return request.Method != HttpMethod.Get ? With(new HttpResponseMessage(HttpStatusCode.NoContent), "W/\"1\"")
            : keys.Success ? Error(HttpStatusCode.NotFound, "ResourceNotFound")
            : new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent("{\"value\":[]}", Encoding.UTF8, "application/json") };
    }

    private static string?[] Given(Stream body)
    {
        using var row = JsonDocument.Parse(body);
        return [row.RootElement.GetProperty("PartitionKey").GetString(), row.RootElement.GetProperty("RowKey").GetString()];
    }

    private static HttpResponseMessage Error(HttpStatusCode status, string code)
    {
        var answer = new HttpResponseMessage(status) { Content = new StringContent(Text(code), Encoding.UTF8, "application/json") };
        answer.Headers.TryAddWithoutValidation("x-ms-error-code", code);
        return answer;
    }

    // Tables write errors so, queues and blobs so.
    private static string Text(string code) => $$$"""{"odata.error":{"code":"{{{code}}}","message":{"value":"{{{code}}}"}},"error":{"code":"{{{code}}}","message":"{{{code}}}"}}""";

    private static HttpResponseMessage With(HttpResponseMessage answer, string etag)
    {
        answer.Content ??= new ByteArrayContent([]);
        answer.Headers.TryAddWithoutValidation("ETag", etag);
        answer.Content.Headers.TryAddWithoutValidation("Last-Modified", "Sun, 01 Mar 2026 00:00:00 GMT");
        answer.Headers.TryAddWithoutValidation("x-ms-request-server-encrypted", "true");
        answer.Headers.TryAddWithoutValidation("x-ms-blob-append-offset", "0");
        return answer;
    }

    [GeneratedRegex("\\(PartitionKey='(.*)',RowKey='(.*)'\\)$", RegexOptions.Singleline)]
    private static partial Regex Keys();
}
