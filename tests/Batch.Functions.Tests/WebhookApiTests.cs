using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Functions.Tests.Clients;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Webhook endpoints over HTTP, from a job's end to the verifiers that their users run.</summary>
public sealed class WebhookApiTests(StorageEmulator storage)
{
    private static readonly string[] Settings =
    [
        "--Webhooks:Secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--Webhooks:AllowHttp=true", "--Webhooks:AllowPrivateAddresses=true",
        $"--Webhooks:EncryptionKey={Convert.ToBase64String(new byte[32])}",
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Endpoint_IsMadeChangedTriedAndDeleted()
    {
        await using var receiver = Receiver.Start();
        await using var host = await StartAsync(ApiScopes.Read | ApiScopes.Submit);
        var made = await SendAsync(host, HttpMethod.Post, "v1/webhook_endpoints", $$"""{"url":"{{receiver.Address}}","description":"news","events":["batch.job.*"]}""", HttpStatusCode.Created);
        var path = $"v1/webhook_endpoints/{Text(made, "id")}";

        Assert.StartsWith("whsec_", Text(made, "secret"), StringComparison.Ordinal);
        Assert.False((await host.GetAsync(path)).TryGetProperty("secret", out _));
        Assert.Equal(Text(made, "id"), Text(Assert.Single((await host.GetAsync("v1/webhook_endpoints?limit=1")).GetProperty("data").EnumerateArray()), "id"));
        var changed = await SendAsync(host, HttpMethod.Post, path, """{"description":"more news","format":"cloudevents"}""");
        Assert.Equal(("webhook_endpoint", "more news", "cloudevents", "enabled"), (Text(changed, "object"), Text(changed, "description"), Text(changed, "format"), Text(changed, "status")));

        var test = await SendAsync(host, HttpMethod.Post, $"{path}/test", """{"type":"batch.job.failed"}""", HttpStatusCode.Accepted);
        var delivery = $"{path}/deliveries/{Text(test, "id")}";
        var sent = await receiver.First.WaitAsync(Cancellation);
        Assert.Equal((Text(test, "event_id"), "application/cloudevents+json; charset=utf-8"), (sent.Headers["webhook-id"], sent.Headers["Content-Type"]));
        var done = await DeliveredAsync(host, delivery, attempts: 1);
        Assert.Equal(Encoding.UTF8.GetString(sent.Body), Text(done, "payload"));
        await SendAsync(host, HttpMethod.Post, $"{delivery}/replay", "", HttpStatusCode.Accepted);
        await DeliveredAsync(host, delivery, attempts: 2);
        Assert.Single(receiver.Requests.Select(request => request.Headers["webhook-id"]).Distinct());
        Assert.Equal(Text(test, "id"), Text((await host.GetAsync($"{path}/deliveries?status=delivered")).GetProperty("data")[0], "id"));
        Assert.Equal(0, (await SendAsync(host, HttpMethod.Post, $"{path}/replay_failed", """{"since":"2026-01-01T00:00:00Z"}""", HttpStatusCode.Accepted)).GetProperty("replayed").GetInt32());

        Assert.True((await SendAsync(host, HttpMethod.Delete, path, null)).GetProperty("deleted").GetBoolean());
        Assert.Equal("webhook_endpoint_not_found", Code(await SendAsync(host, HttpMethod.Get, delivery, null, HttpStatusCode.NotFound)));
    }

    [Fact]
    public async Task Endpoint_OfAnotherTenantOrWithoutTheScope_IsOutOfReach()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine(), settings: Settings);
        var tenant = $"t{Guid.NewGuid():N}";
        await LogInAsync(host, tenant, ApiScopes.Submit);
        var made = await SendAsync(host, HttpMethod.Post, "v1/webhook_endpoints", """{"url":"https://example.org/hook"}""", HttpStatusCode.Created);
        var path = $"v1/webhook_endpoints/{Text(made, "id")}";
        (HttpMethod Method, string Path)[] reads = [(HttpMethod.Get, path), (HttpMethod.Get, $"{path}/deliveries"), (HttpMethod.Get, $"{path}/deliveries/del_1")];
        (HttpMethod Method, string Path)[] changes =
        [
            (HttpMethod.Post, path), (HttpMethod.Post, $"{path}/rotate_secret"), (HttpMethod.Post, $"{path}/test"), (HttpMethod.Post, $"{path}/replay_failed"),
            (HttpMethod.Post, $"{path}/deliveries/del_1/replay"), (HttpMethod.Delete, path),
        ];

        foreach (var (method, route) in reads)
        {
            Assert.Equal("insufficient_permissions", Code(await SendAsync(host, method, route, null, HttpStatusCode.Forbidden)));
        }

        await LogInAsync(host, $"t{Guid.NewGuid():N}", ApiScopes.Read | ApiScopes.Submit);
        foreach (var (method, route) in reads.Concat(changes))
        {
            Assert.Equal("webhook_endpoint_not_found", Code(await SendAsync(host, method, route, method == HttpMethod.Post ? "{}" : null, HttpStatusCode.NotFound)));
        }

        await LogInAsync(host, tenant, ApiScopes.Read);
        foreach (var (method, route) in changes)
        {
            Assert.Equal("insufficient_permissions", Code(await SendAsync(host, method, route, method == HttpMethod.Post ? "{}" : null, HttpStatusCode.Forbidden)));
        }
    }

    [Fact]
    public async Task OwnWebhook_OfAJob_HasALogOfItsOwn()
    {
        await using var receiver = Receiver.Start();
        await using var host = await StartAsync(ApiScopes.Read | ApiScopes.Submit);
        var id = await host.SubmitForIdAsync($$"""{"prompt":"Once","webhook_url":"{{receiver.Address}}"}""");
        await receiver.First.WaitAsync(Cancellation);

        var delivery = Assert.Single((await host.GetAsync($"v1/jobs/{id}/deliveries")).GetProperty("data").EnumerateArray());
        var done = await DeliveredAsync(host, $"v1/jobs/{id}/deliveries/{Text(delivery, "id")}", attempts: 1);

        Assert.Equal((receiver.Address.AbsoluteUri, "batch.job.succeeded"), (Text(done, "url"), Text(done, "event_type")));
        Assert.Equal(("delivered", 1), (Text((await host.GetAsync($"v1/jobs/{id}")).GetProperty("webhook"), "status"), receiver.Requests.Count));
        await LogInAsync(host, "another", ApiScopes.Read);
        Assert.Equal("job_not_found", Code(await SendAsync(host, HttpMethod.Get, $"v1/jobs/{id}/deliveries", null, HttpStatusCode.NotFound)));
        Assert.Equal("batch_not_found", Code(await SendAsync(host, HttpMethod.Get, "v1/batches/batch_1/deliveries", null, HttpStatusCode.NotFound)));
    }

    [Theory]
    [InlineData("openai", "7.57.0", "unwrap.mjs")]
    [InlineData("standardwebhooks", "1.1.1", "verify.mjs")]
    public async Task OfficialVerifier_TakesBothSecretsWhileOneIsRotated(string package, string version, string script)
    {
        await using var receiver = Receiver.Start();
        await using var host = await StartAsync(ApiScopes.Read | ApiScopes.Submit);
        var made = await SendAsync(host, HttpMethod.Post, "v1/webhook_endpoints", $$"""{"url":"{{receiver.Address}}","format":"openai"}""", HttpStatusCode.Created);
        var rotated = await SendAsync(host, HttpMethod.Post, $"v1/webhook_endpoints/{Text(made, "id")}/rotate_secret", """{"overlap_seconds":3600}""");
        var id = await host.SubmitForIdAsync("""{"prompt":"从前"}""");
        var sent = await receiver.First.WaitAsync(Cancellation);
        var secrets = new[] { Text(made, "secret"), Text(rotated, "secret"), $"whsec_{Convert.ToBase64String(new byte[32])}" };

        var seen = JsonElement.Parse(await NodePackage.RunAsync(package, version, script, new Dictionary<string, string>
        {
            ["SENT"] = JsonSerializer.Serialize(new { headers = sent.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value), body = Encoding.UTF8.GetString(sent.Body), secrets }),
        }));

        Assert.Equal([$"evt_{await EventIdAsync(host, id)}", $"evt_{await EventIdAsync(host, id)}", "refused"], seen.EnumerateArray().Select(each => each.GetString()));
    }

    // Of another tenant than the default one, whose events have its name in front.
    private static async Task<string> EventIdAsync(RunningHost host, string id) => $"{Text(await host.GetAsync($"v1/jobs/{id}"), "tenant")}:{id}:succeeded";

    private static async Task<JsonElement> DeliveredAsync(RunningHost host, string path, int attempts)
    {
        while (true)
        {
            var delivery = await host.GetAsync(path);
            if (Text(delivery, "status") == "delivered" && delivery.GetProperty("attempts").GetArrayLength() == attempts)
            {
                return delivery;
            }
        }
    }

    private static async Task<JsonElement> SendAsync(RunningHost host, HttpMethod method, string path, string? body, HttpStatusCode expected = HttpStatusCode.OK)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        using var response = await host.Http.SendAsync(request, Cancellation);
        var answer = await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.True(expected == response.StatusCode, $"{method} {path}: {answer}");
        return answer;
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private static string? Code(JsonElement answer) => Text(answer.GetProperty("error"), "code");

    private static async Task LogInAsync(RunningHost host, string tenant, ApiScopes scopes) =>
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync(tenant, scopes));

    private async Task<RunningHost> StartAsync(ApiScopes scopes)
    {
        var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine(), settings: Settings);
        await LogInAsync(host, $"t{Guid.NewGuid():N}", scopes);
        return host;
    }
}
