using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Azure.Data.Tables;
using Azure.Storage.Blobs.Models;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests;
using Batch.LocalHost.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Batch.Functions.Tests;

/// <summary>Everything that the application writes anywhere over a run full of failures, looked through for what must not be in it. It has a storage of its own: it reads all of it.</summary>
public sealed class SecretsTests(StorageEmulator storage) : IClassFixture<StorageEmulator>
{
    private const string WebhookKey = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    private const string FunctionKey = "function-key-6d1f";
    private const string Prompt = "prompt-of-nobodys-business-3b77";
    private const string UrlToken = "token-in-a-webhook-url-91c4";
    private const string UnknownKey = "sk-unknownunknownunknownunknownunknownunknown0";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task NothingWritten_HoldsASecretOrAPrompt()
    {
        var accountKey = storage.ConnectionString.Split(';').Single(part => part.StartsWith("AccountKey=", StringComparison.Ordinal))["AccountKey=".Length..];
        var (log, engine) = (new Log(), new ScriptedEngine());
        using var host = Program.BuildHost(
            [
                $"--AzureWebJobsStorage={storage.ConnectionString}", "--Engine:ModelPath=/models/scripted", $"--Webhooks:Secret=whsec_{WebhookKey}", $"--LocalHost:FunctionKey={FunctionKey}", "--LocalHost:DrainSeconds=0",
                "--AzureFunctionsJobHost:extensions:queues:visibilityTimeout=00:00:00", "--AzureFunctionsJobHost:extensions:queues:maxPollingInterval=00:00:00.1", "--Logging:LogLevel:Default=Trace", "--Logging:Console:LogLevel:Default=None",
            ],
            services => services.AddSingleton<ILoggerProvider>(log).AddSingleton<EngineLoader>((_, _) => engine));
        await host.StartAsync(Cancellation);
        var key = (await host.Services.GetRequiredService<ApiKeyStore>().CreateAsync("secrets", ApiScopes.Admin, "test", null, Cancellation)).Secret;
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.GetHttpAddress() };
        var answers = new StringBuilder();

        // Failures of the engine, down to the poison queue; a webhook that is refused; wrong keys, bodies and ids.
        for (var i = 0; i < 5; i++)
        {
            engine.Faults.Enqueue(new InvalidOperationException("out of memory"));
        }

        var failing = await SendAsync("v1/jobs", $$"""{"id":"failing","prompt":"{{Prompt}}"}""", key);
        await SendAsync("v1/jobs", $$"""{"id":"hooked","prompt":"{{Prompt}}","webhook_url":"https://localhost:1/hook?token={{UrlToken}}"}""", key);
        await SendAsync("v1/jobs", $$"""{"prompt":"{{Prompt}}","temperature":"{{Prompt}}"}""", key);
        await SendAsync("v1/jobs", $$"""{"prompt":"{{Prompt}}""", key);
        await SendAsync("v1/jobs", $$"""{"prompt":"{{Prompt}}","webhook_url":"https://user:{{UrlToken}}@example.org/"}""", key);
        await SendAsync("v1/jobs", $$"""{"prompt":"{{Prompt}}"}""", UnknownKey);
        await SendAsync("v1/files", Prompt, key);
        await SendAsync("v1/batches", """{"input_file_id":"file-none","endpoint":"/v1/completions","completion_window":"24h"}""", key);
        await SendAsync("v1/schedules", $$$"""{"cron":"@daily","job":{"prompt":"{{{Prompt}}} {{ nobody }}"}}""", key);
        await SendAsync("admin/host/status?code=wrong", "", null);
        Assert.Equal(HttpStatusCode.Accepted, failing);
        foreach (var id in new[] { "failing", "hooked" })
        {
            await EndedAsync(host.Services.GetRequiredService<JobStore>(), id);
        }

        // An endpoint's secret is shown where it is made, and lies in its row as docs/operations.md says: in the clear, where no key is set to encrypt it with.
        var madeSecrets = new[] { await SecretOfAsync("v1/webhook_endpoints", """{"url":"https://localhost:1/endpoint"}"""), await SecretOfAsync("v1/keys", """{"name":"shown once"}""") };
        await UploadAsync();
        await LinksAsync();

        await host.StopAsync(CancellationToken.None);
        var stored = await StoredAsync(host.Services.GetRequiredService<StorageClients>());
        var logged = string.Join('\n', log.Lines);

        Assert.Contains("failing", logged, StringComparison.Ordinal); // the log was listened to
        Assert.Contains("failing", stored, StringComparison.Ordinal);
        foreach (var secret in new[] { accountKey, WebhookKey, FunctionKey, key, key["sk-".Length..], UnknownKey, "sig=" })
        {
            Assert.DoesNotContain(secret, logged, StringComparison.Ordinal);
            Assert.DoesNotContain(secret, stored, StringComparison.Ordinal);
            Assert.DoesNotContain(secret, answers.ToString(), StringComparison.Ordinal);
        }

        Assert.Single(stored.Split('\n'), line => line.Contains(madeSecrets[0], StringComparison.Ordinal) && line.StartsWith("webhookendpoints ", StringComparison.Ordinal));
        Assert.DoesNotContain(stored.Split('\n'), line => line.Contains(madeSecrets[0], StringComparison.Ordinal) && !line.StartsWith("webhookendpoints ", StringComparison.Ordinal));
        Assert.DoesNotContain(madeSecrets[1], stored, StringComparison.Ordinal);
        Assert.All(madeSecrets, secret => Assert.DoesNotContain(secret, logged, StringComparison.Ordinal));

        // Prompts and the addresses of webhooks lie in their job's row and blobs alone.
        foreach (var secret in new[] { Prompt, UrlToken })
        {
            Assert.DoesNotContain(secret, logged, StringComparison.Ordinal);
            Assert.DoesNotContain(secret, answers.ToString(), StringComparison.Ordinal);
        }

        async Task<string> SecretOfAsync(string path, string body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var answer = await http.SendAsync(request, Cancellation);
            var made = await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation);
            return made.GetProperty(made.TryGetProperty("secret", out _) ? "secret" : "key").GetString()!;
        }

        async Task UploadAsync()
        {
            using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new StringContent("{}"), "file", "lines.jsonl" } };
            using var request = new HttpRequestMessage(HttpMethod.Post, "v1/files") { Content = form };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var answer = await http.SendAsync(request, Cancellation);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        // Links are signed for whoever asks and are kept nowhere.
        async Task LinksAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "v1/jobs/hooked");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var answer = await http.SendAsync(request, Cancellation);
            Assert.Contains("sig=", await answer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        }

        async Task<HttpStatusCode> SendAsync(string path, string body, string? bearer)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            request.Headers.Authorization = bearer is null ? null : new AuthenticationHeaderValue("Bearer", bearer);
            using var answer = await http.SendAsync(request, Cancellation);
            answers.Append(answer.Headers).Append(await answer.Content.ReadAsStringAsync(Cancellation));
            return answer.StatusCode;
        }
    }

    private static async Task EndedAsync(JobStore store, string id)
    {
        while (await store.FindAsync(id, "secrets", Cancellation) is not { EventState: EventState.Published })
        {
            await Task.Yield();
        }
    }

    // All that the account holds: rows of all tables, messages, blobs with their names and metadata; a line for each.
    private static async Task<string> StoredAsync(StorageClients clients)
    {
        var text = new StringBuilder();
        await foreach (var table in clients.Tables.QueryAsync(cancellationToken: Cancellation))
        {
            await foreach (var row in clients.Tables.GetTableClient(table.Name).QueryAsync<TableEntity>(cancellationToken: Cancellation))
            {
                text.Append(table.Name).Append(' ').AppendJoin(' ', row.Select(pair => $"{pair.Key}={TextOf(pair.Value)}".ReplaceLineEndings(" "))).AppendLine();
            }
        }

        await foreach (var queue in clients.Queues.GetQueuesAsync(cancellationToken: Cancellation))
        {
            var messages = await clients.Queues.GetQueueClient(queue.Name).PeekMessagesAsync(32, Cancellation);
            text.AppendJoin('\n', messages.Value.Select(message => message.Body.ToString())).AppendLine();
        }

        await foreach (var container in clients.Blobs.GetBlobContainersAsync(cancellationToken: Cancellation))
        {
            var blobs = clients.Blobs.GetBlobContainerClient(container.Name);
            await foreach (var blob in blobs.GetBlobsAsync(new GetBlobsOptions { Traits = BlobTraits.Metadata }, Cancellation))
            {
                var content = (await blobs.GetBlobClient(blob.Name).DownloadContentAsync(Cancellation)).Value.Content;
                text.Append(container.Name).Append(' ').Append(blob.Name).Append(' ').AppendJoin(' ', blob.Metadata).Append(' ').AppendLine(Encoding.Latin1.GetString(content).ReplaceLineEndings(" "));
            }
        }

        return text.ToString();
    }

    private static string? TextOf(object? value) => value is byte[] bytes ? Encoding.Latin1.GetString(bytes) : value?.ToString();

    private sealed class Log : ILoggerProvider
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => new Logger(categoryName, Lines);

        public void Dispose()
        {
        }

        private sealed class Logger(string category, ConcurrentQueue<string> lines) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull
            {
                lines.Enqueue($"{category} scope {state}");
                return null;
            }

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
                lines.Enqueue($"{category} {formatter(state, exception)} {exception}");
        }
    }
}
