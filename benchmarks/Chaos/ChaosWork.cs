using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Batch.Benchmarks.Chaos;

/// <summary>The jobs and the batch of a run, and what a patient client does to hand them in: it comes again, with the same key, until it is answered.</summary>
internal sealed class ChaosWork(int jobs, int lines, int tokens)
{
    // All but those about endpoints.
    private static readonly string[] Events = ["batch.job.*", "batch.completed"];

    public static string TextOfBatchLine(JsonElement line) => line.GetProperty("response").GetProperty("body").GetProperty("choices")[0].GetProperty("text").GetString()!;

    public static string IdOf(int job) => $"chaos-{job}";

    public int Jobs => jobs;

    public int Lines => lines;

    /// <summary>Hands in one job; its id when it was answered with 202.</summary>
    public async Task SubmitAsync(Func<HttpClient> client, int job, string? webhook, CancellationToken cancellationToken)
    {
        var body = new { id = IdOf(job), prompt = PromptOf(job), max_tokens = TokensOf(job), ignore_eos = true, seed = job, webhook_url = webhook };
        using var answer = await UntilAnsweredAsync(client, http => http.PostAsJsonAsync("v1/jobs", body, cancellationToken), cancellationToken);
    }

    /// <summary>Hands in the batch; its id.</summary>
    public async Task<string> SubmitBatchAsync(Func<HttpClient> client, CancellationToken cancellationToken)
    {
        var content = string.Concat(Enumerable.Range(0, lines).Select(line => JsonSerializer.Serialize(
            new { custom_id = $"line-{line}", method = "POST", url = "/v1/completions", body = new { prompt = PromptOf(line), max_tokens = TokensOf(line), ignore_eos = true, seed = line } }) + "\n"));
        using var uploaded = await UntilAnsweredAsync(
            client,
            http =>
            {
                var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new ByteArrayContent(Encoding.UTF8.GetBytes(content)), "file", "lines.jsonl" } };
                return http.PostAsync(new Uri("v1/files", UriKind.Relative), form, cancellationToken);
            },
            cancellationToken);
        var file = (await uploaded.Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("id").GetString();
        using var created = await UntilAnsweredAsync(
            client,
            async http =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "v1/batches") { Content = JsonContent.Create(new { input_file_id = file, endpoint = "/v1/completions", completion_window = "24h" }) };
                request.Headers.Add("Idempotency-Key", file);
                return await http.SendAsync(request, cancellationToken);
            },
            cancellationToken);
        return (await created.Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("id").GetString()!;
    }

    /// <summary>Makes an endpoint that wants every event; its id.</summary>
    public static async Task<string> MakeEndpointAsync(Func<HttpClient> client, string address, CancellationToken cancellationToken)
    {
        using var made = await UntilAnsweredAsync(
            client,
            async http =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "v1/webhook_endpoints") { Content = JsonContent.Create(new { url = address, events = Events }) };
                request.Headers.Add("Idempotency-Key", address.Split('/')[^1]);
                return await http.SendAsync(request, cancellationToken);
            },
            cancellationToken);
        return (await made.Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("id").GetString()!;
    }

    /// <summary>What a GET gives, from whoever answers.</summary>
    public static async Task<string> GetAsync(Func<HttpClient> client, string path, CancellationToken cancellationToken)
    {
        using var answer = await UntilAnsweredAsync(client, http => http.GetAsync(new Uri(path, UriKind.Relative), cancellationToken), cancellationToken);
        return await answer.Content.ReadAsStringAsync(cancellationToken);
    }

    private static async Task<HttpResponseMessage> UntilAnsweredAsync(Func<HttpClient> client, Func<HttpClient, Task<HttpResponseMessage>> send, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var answer = await send(client());
                if (answer.IsSuccessStatusCode)
                {
                    return answer;
                }

                var why = await answer.Content.ReadAsStringAsync(cancellationToken);
                if (answer.StatusCode is < HttpStatusCode.InternalServerError and not HttpStatusCode.TooManyRequests)
                {
                    throw new InvalidOperationException($"answered {(int)answer.StatusCode}: {why}");
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                // Nobody there, or gone in the middle: again, at the next.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), cancellationToken);
        }
    }

    private static string PromptOf(int job) => $"Chapter {job}. The road went down";

    // From an eighth to all of what is asked for, so that some are short and some long.
    private int TokensOf(int job) => Math.Max(1, tokens * (1 + (job * 5 % 8)) / 8);
}
