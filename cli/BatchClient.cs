using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Batch.Cli;

/// <summary>Talks to a running server over its HTTP API.</summary>
internal sealed class BatchClient(HttpClient http)
{
    /// <summary>Hands a job in and returns its id.</summary>
    /// <exception cref="ArgumentException">The server refuses the job; the message is the server's.</exception>
    public async Task<string> SubmitAsync(JsonNode job, CancellationToken cancellationToken)
    {
        using var response = await http.PostAsJsonAsync("v1/jobs", job, Output.Json, cancellationToken);
        return (await ReadAsync(response, cancellationToken)).GetProperty("id").GetString()!;
    }

    public async Task<JobStatus> GetAsync(string id, CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync(Address(id), cancellationToken);
        return new JobStatus(await ReadAsync(response, cancellationToken));
    }

    /// <summary>The job; null while the server knows none of that id.</summary>
    public async Task<JobStatus?> FindAsync(string id, CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync(Address(id), cancellationToken);
        return response.StatusCode == HttpStatusCode.NotFound ? null : new JobStatus(await ReadAsync(response, cancellationToken));
    }

    public async Task<JobStatus> CancelAsync(string id, CancellationToken cancellationToken)
    {
        using var response = await http.PostAsync(new Uri($"v1/jobs/{Uri.EscapeDataString(id)}/cancel", UriKind.Relative), null, cancellationToken);
        return new JobStatus(await ReadAsync(response, cancellationToken));
    }

    /// <summary>Lets a failed job run again.</summary>
    public async Task<JobStatus> ReplayAsync(string id, CancellationToken cancellationToken)
    {
        using var response = await http.PostAsync(new Uri($"v1/jobs/{Uri.EscapeDataString(id)}/replay", UriKind.Relative), null, cancellationToken);
        return new JobStatus(await ReadAsync(response, cancellationToken));
    }

    /// <summary>Lets the failed jobs run again that the filter means; gives how many, until there are no more.</summary>
    public async Task<int> ReplayAllAsync(JsonObject filter, CancellationToken cancellationToken)
    {
        for (var count = 0; ;)
        {
            var replayed = await SendAsync(HttpMethod.Post, "v1/jobs/replay", filter, cancellationToken);
            count += replayed.GetProperty("replayed").GetArrayLength();
            if (!replayed.GetProperty("has_more").GetBoolean())
            {
                return count;
            }
            filter["after"] = replayed.GetProperty("after").GetString();
        }
    }

    /// <summary>The newest jobs first.</summary>
    public async Task<IReadOnlyList<JobStatus>> ListAsync(int limit, CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync(new Uri($"v1/jobs?limit={limit}", UriKind.Relative), cancellationToken);
        return (await ReadAsync(response, cancellationToken)).GetProperty("data").EnumerateArray().Select(job => new JobStatus(job)).ToList();
    }

    /// <summary>Any route of the API.</summary>
    public async Task<JsonElement> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative)) { Content = body is null ? null : JsonContent.Create(body, options: Output.Json) };
        using var response = await http.SendAsync(request, cancellationToken);
        return await ReadAsync(response, cancellationToken);
    }

    /// <summary>Uploads the file of a batch, as it is read.</summary>
    public async Task<JsonElement> UploadAsync(FileInfo file, CancellationToken cancellationToken)
    {
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new StreamContent(file.OpenRead()), "file", file.Name } };
        using var response = await http.PostAsync(new Uri("v1/files", UriKind.Relative), form, cancellationToken);
        return await ReadAsync(response, cancellationToken);
    }

    /// <summary>Writes what a route answers, as it comes.</summary>
    public async Task DownloadAsync(string path, Stream to, CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync(new Uri(path, UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            await ReadAsync(response, cancellationToken); // says what the server says
        }
        await response.Content.CopyToAsync(to, cancellationToken);
    }

    /// <summary>Whether the server takes work; false while its model loads.</summary>
    public async Task<bool> IsReadyAsync(CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync(new Uri("health/ready", UriKind.Relative), cancellationToken);
        return response.StatusCode == HttpStatusCode.OK;
    }

    private static Uri Address(string id) => new($"v1/jobs/{Uri.EscapeDataString(id)}", UriKind.Relative);

    // A refusal carries {"error":{"message","param","code"}}.
    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        var json = Parse(body);
        if (response.IsSuccessStatusCode && json is { } answer)
        {
            return answer;
        }
        var said = json is { ValueKind: JsonValueKind.Object } error && error.TryGetProperty("error", out var e) && e.TryGetProperty("message", out var m) ? m.GetString() : null;
        var message = said ?? $"the server answered {(int)response.StatusCode} {response.ReasonPhrase}";
        throw (int)response.StatusCode is >= 400 and < 500 ? new ArgumentException(message) : new InvalidOperationException(message);
    }

    private static JsonElement? Parse(string body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>A job as the server shows it.</summary>
internal sealed class JobStatus(JsonElement json)
{
    private static readonly HashSet<string> Ends = ["succeeded", "failed", "cancelled", "expired"];

    public JsonElement Json => json;

    public string Id => Text("id")!;

    public string Status => Text("status")!;

    public bool HasEnded => Ends.Contains(Status);

    public string GeneratedText => Text("text") ?? "";

    public string? FinishReason => Text("finish_reason");

    public string? ResultUrl => Text("result_url");

    public string? Error => Object("error") is { } error ? $"{error.GetProperty("code").GetString()}: {error.GetProperty("message").GetString()}" : null;

    public int CompletionTokens => (Object("usage") ?? Object("progress")) is { } counts && counts.TryGetProperty("completion_tokens", out var tokens) ? tokens.GetInt32() : 0;

    private JsonElement? Object(string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? value : null;

    private string? Text(string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
