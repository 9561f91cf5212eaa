using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Who comes in, and what they see.</summary>
public sealed class AccessTests(StorageEmulator storage)
{
    private readonly ScriptedEngine _engine = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null)]
    [InlineData("Bearer sk-wrong")]
    [InlineData("Bearer ")]
    [InlineData("Basic sk-wrong")]
    public async Task EveryRoute_Answers401InOpenAIsShape_WhenTheKeyIsMissingOrUnknown(string? authorization)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        foreach (var (method, path) in new[] { ("GET", "v1/jobs"), ("POST", "v1/jobs"), ("GET", "v1/jobs/x"), ("POST", "v1/jobs/x/cancel"), ("POST", "v1/jobs/x/replay"), ("GET", "v1/keys"), ("DELETE", "v1/keys/x") })
        {
            using var response = await SendAsync(host, method, path, authorization);

            var error = (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("error");
            Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (response.StatusCode, response.Headers.WwwAuthenticate.ToString()));
            Assert.Equal(("invalid_api_key", "invalid_request_error"), (error.GetProperty("code").GetString(), error.GetProperty("type").GetString()));
        }
    }

    [Fact]
    public async Task Key_IsRefused_OnceItHasExpiredOrIsRevoked()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var expired = await host.NewKeyAsync("default", ApiScopes.Read, TimeProvider.System.GetUtcNow().AddSeconds(-1));
        using var made = await SendAsync(host, "POST", "v1/keys", Admin(host), """{"name":"ci","scopes":["read"]}""");
        var key = await made.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        var secret = $"Bearer {key.GetProperty("key").GetString()}";

        using var before = await SendAsync(host, "GET", "v1/jobs", secret);
        using var revoked = await SendAsync(host, "DELETE", $"v1/keys/{key.GetProperty("id")}", Admin(host));
        using var after = await SendAsync(host, "GET", "v1/jobs", secret);
        using var late = await SendAsync(host, "GET", "v1/jobs", $"Bearer {expired}");

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK, HttpStatusCode.OK), (made.StatusCode, before.StatusCode, revoked.StatusCode));
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (after.StatusCode, late.StatusCode));
        Assert.Contains("it was revoked", await after.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.Contains("it has expired", await late.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Key_DoesOnlyWhatItsScopesSay()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var reader = $"Bearer {await host.NewKeyAsync("default", ApiScopes.Read)}";
        var submitter = $"Bearer {await host.NewKeyAsync("default", ApiScopes.Submit)}";

        using var read = await SendAsync(host, "GET", "v1/jobs", reader);
        using var submit = await SendAsync(host, "POST", "v1/jobs", reader, """{"prompt":"Once"}""");
        using var submitted = await SendAsync(host, "POST", "v1/jobs", submitter, """{"prompt":"Once"}""");
        using var admin = await SendAsync(host, "POST", "v1/keys", submitter);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Forbidden), (read.StatusCode, submit.StatusCode));
        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Forbidden), (submitted.StatusCode, admin.StatusCode));
        Assert.Contains("insufficient_permissions", await admin.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Job_IsNotThere_ForAnotherTenant()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var id = await host.SubmitForIdAsync("""{"prompt":"Once"}""");
        var other = $"Bearer {await host.NewKeyAsync("acme", ApiScopes.Admin)}";

        foreach (var (method, path) in new[] { ("GET", $"v1/jobs/{id}"), ("POST", $"v1/jobs/{id}/cancel"), ("POST", $"v1/jobs/{id}/replay") })
        {
            using var response = await SendAsync(host, method, path, other);
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        }

        using var list = await SendAsync(host, "GET", "v1/jobs", other);
        using var keys = await SendAsync(host, "GET", "v1/keys", other);
        using var asAnother = await SendAsync(host, "POST", "v1/jobs", other, """{"prompt":"Once","tenant":"default"}""");
        Assert.DoesNotContain(id, await list.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.All((await keys.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("data").EnumerateArray(), key => Assert.Equal("acme", key.GetProperty("tenant").GetString()));
        Assert.Equal(HttpStatusCode.BadRequest, asAnother.StatusCode);
    }

    [Fact]
    public async Task RotateKey_GivesAKeyOfTheSameRights_AndEndsTheOldOneAfterTheOverlap()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        using var made = await SendAsync(host, "POST", "v1/keys", Admin(host), """{"scopes":["read"]}""");
        var old = await made.Content.ReadFromJsonAsync<JsonElement>(Cancellation);

        using var rotated = await SendAsync(host, "POST", $"v1/keys/{old.GetProperty("id")}/rotate", Admin(host), """{"overlap_seconds":0}""");
        var fresh = await rotated.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        using var withNew = await SendAsync(host, "GET", "v1/jobs", $"Bearer {fresh.GetProperty("key")}");
        using var withOld = await SendAsync(host, "GET", "v1/jobs", $"Bearer {old.GetProperty("key")}");

        Assert.Equal(("read", HttpStatusCode.OK, HttpStatusCode.Unauthorized), (fresh.GetProperty("scopes").GetString(), withNew.StatusCode, withOld.StatusCode));
    }

    [Fact]
    public async Task Table_HoldsNoKey_ByWhichSomebodyCouldComeIn()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var secret = await host.NewKeyAsync("default", ApiScopes.Admin);

        await foreach (var row in host.Storage.Tables.GetTableClient(ApiKeyStore.ApiKeysTable).QueryAsync<Azure.Data.Tables.TableEntity>(cancellationToken: Cancellation))
        {
            Assert.DoesNotContain(row, pair => pair.Value is string text && text.Contains(secret[3..], StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task EveryRoute_IsOpenToTenantDefault_WhenAccessIsNotRequired()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, settings: "--Access:Required=false");

        using var response = await SendAsync(host, "POST", "v1/jobs", null, """{"prompt":"Once"}""");

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
    }

    private static string Admin(RunningHost host) => host.Http.DefaultRequestHeaders.Authorization!.ToString();

    private static async Task<HttpResponseMessage> SendAsync(RunningHost host, string method, string path, string? authorization, string body = "{}")
    {
        using var client = new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.Http.BaseAddress };
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (method == "POST")
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        }

        return await client.SendAsync(request, Cancellation);
    }

    private LlmEngine Scripted(EngineOptions options) => _engine;
}
