using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Functions.OpenApi;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Every route as the functions' attributes declare it: who may, who may not, and whose objects are there. A new route is tried by itself.</summary>
public sealed class RouteAccessTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static IEnumerable<(string Method, ApiRoute Route)> Guarded =>
        from route in ApiRoute.All
        where route.Path.StartsWith("/v1/", StringComparison.Ordinal)
        from method in route.Methods
        select (method, route);

    [Fact]
    public void EveryRouteOfTheApi_AsksForAScope_AndChangesNothingByReading() => Assert.All(Guarded, each =>
    {
        var scope = each.Route.Operation!.Scope;
        Assert.NotEqual(ApiScopes.None, scope);
        Assert.True(each.Method == "GET" || scope != ApiScopes.Read, $"{each.Method} {each.Route.Path} takes a key that may only read");
    });

    [Fact]
    public async Task EveryRoute_TakesKeysOfItsScopeAlone()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, clearQueues: false);
        var keys = new Dictionary<ApiScopes, string>();
        foreach (var scopes in new[] { ApiScopes.Read, ApiScopes.Submit, ApiScopes.Read | ApiScopes.Submit, ApiScopes.Admin })
        {
            keys[scopes] = await host.NewKeyAsync("scopes", scopes);
        }

        foreach (var (method, route) in Guarded)
        {
            using var without = await SendAsync(host, method, route.Path, null);
            Assert.True(HttpStatusCode.Unauthorized == without.StatusCode, $"{method} {route.Path} without a key: {without.StatusCode}");
            foreach (var (scopes, key) in keys)
            {
                using var response = await SendAsync(host, method, route.Path, key);
                var refused = response.StatusCode == HttpStatusCode.Forbidden;
                Assert.True(refused != scopes.HasFlag(route.Operation!.Scope), $"{method} {route.Path} with a key of {scopes}: {response.StatusCode}");
                Assert.NotEqual(HttpStatusCode.InternalServerError, response.StatusCode);
            }
        }
    }

    [Fact]
    public async Task EveryRouteOfOneObject_Answers404ToAnotherTenant()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, clearQueues: false);
        var owner = await host.NewKeyAsync("owner", ApiScopes.Admin);
        var stranger = await host.NewKeyAsync("stranger", ApiScopes.Admin);
        var ids = await ObjectsAsync(host, owner);

        foreach (var (method, route) in Guarded.Where(each => each.Route.Parameters.Count > 0 && !each.Route.Path.StartsWith("/v1/models/", StringComparison.Ordinal))) // models are everybody's
        {
            var path = Fill(route.Path, ids);
            using var response = await SendAsync(host, method, path, stranger, "{}");
            var error = (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("error");
            Assert.True(HttpStatusCode.NotFound == response.StatusCode, $"{method} {path} by a stranger: {response.StatusCode}");
            Assert.EndsWith("_not_found", error.GetProperty("code").GetString(), StringComparison.Ordinal);

            // What a stranger's id is answered differs in nothing but the id itself from what nobody's is.
            using var nobodys = await SendAsync(host, method, Fill(route.Path, ids.ToDictionary(pair => pair.Key, _ => "nobody")), stranger, "{}");
            Assert.Equal((response.StatusCode, error.GetProperty("code").GetString()), (nobodys.StatusCode, (await nobodys.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("error").GetProperty("code").GetString()));
        }
    }

    [Fact]
    public async Task EveryList_HoldsNothingOfAnotherTenant()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, clearQueues: false);
        var ids = await ObjectsAsync(host, await host.NewKeyAsync("owner", ApiScopes.Admin));
        var stranger = await host.NewKeyAsync($"t{Guid.NewGuid():N}", ApiScopes.Admin);

        foreach (var (method, route) in Guarded.Where(each => each.Method == "GET" && each.Route.Parameters.Count == 0))
        {
            using var response = await SendAsync(host, method, route.Path, stranger);
            var text = await response.Content.ReadAsStringAsync(Cancellation);
            Assert.All(ids.Values, id => Assert.DoesNotContain(id, text, StringComparison.Ordinal));
        }
    }

    // One of each kind, by the collection in its path. A new kind fails here until it is added.
    private static async Task<Dictionary<string, string>> ObjectsAsync(RunningHost host, string key)
    {
        var file = await MakeAsync(host, key, "v1/files", "");
        return new Dictionary<string, string>
        {
            ["files"] = file,
            ["batches"] = await MakeAsync(host, key, "v1/batches", $$"""{"input_file_id":"{{file}}","endpoint":"/v1/completions","completion_window":"24h"}"""),
            ["jobs"] = await MakeAsync(host, key, "v1/jobs", """{"prompt":"Once"}"""),
            ["schedules"] = await MakeAsync(host, key, "v1/schedules", """{"cron":"0 9 * * *","job":{"prompt":"x"}}"""),
            ["webhook_endpoints"] = await MakeAsync(host, key, "v1/webhook_endpoints", """{"url":"https://example.org/hook"}"""),
            ["keys"] = await MakeAsync(host, key, "v1/keys", "{}"),
        };
    }

    private static string Fill(string path, Dictionary<string, string> ids)
    {
        var collection = path.Split('/')[2];
        return ids.TryGetValue(collection, out var id)
            ? path.Replace("{id}", id, StringComparison.Ordinal)
            : throw new InvalidOperationException($"this test makes no object for {path}");
    }

    private static async Task<string> MakeAsync(RunningHost host, string key, string path, string body)
    {
        using var response = await SendAsync(host, "POST", path, key, body);
        return (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("id").GetString()!;
    }

    private static async Task<HttpResponseMessage> SendAsync(RunningHost host, string method, string path, string? key, string body = "")
    {
        using var client = new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.Http.BaseAddress };
        using var request = new HttpRequestMessage(new HttpMethod(method), path.TrimStart('/'));
        request.Headers.Authorization = key is null ? null : new("Bearer", key);
        request.Content = method != "POST" ? null
            : path == "v1/files" ? new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new ByteArrayContent("{}"u8.ToArray()), "file", "a.jsonl" } }
            : new StringContent(body, Encoding.UTF8, "application/json");
        return await client.SendAsync(request, Cancellation);
    }

    private static LlmEngine Scripted(EngineOptions options) => new ScriptedEngine();
}
