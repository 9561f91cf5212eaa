using System.Net;
using System.Text;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Callers whom Azure's built-in authentication let in.</summary>
public sealed class PrincipalTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Principal_IsNobody_UnlessItIsTrusted()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, clearQueues: false);

        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(host, "GET", Header(("roles", "batch.admin"))));
    }

    [Fact]
    public async Task Principal_ThatIsNotTrusted_GivesAKeyNothing()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, clearQueues: false, settings: ["--Access:PrincipalTenantClaim=tid"]);
        var (tenant, other) = ($"t{Guid.NewGuid():N}", $"t{Guid.NewGuid():N}");
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync(other, ApiScopes.Submit));
        await host.SubmitForIdAsync("""{"prompt":"Once"}""");
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync(tenant, ApiScopes.Read | ApiScopes.Submit));
        host.Http.DefaultRequestHeaders.Add("X-MS-CLIENT-PRINCIPAL", Header(("tid", other), ("roles", "batch.admin")));
        host.Http.DefaultRequestHeaders.Add("X-MS-CLIENT-PRINCIPAL-NAME", "somebody@example.org");

        using var keys = await host.Http.GetAsync("v1/keys", Cancellation);
        var listed = await host.GetAsync("v1/jobs");
        await host.SubmitForIdAsync("""{"prompt":"Once"}""");
        var audit = await host.Storage.Tables.GetTableClient("audit").QueryAsync<Azure.Data.Tables.TableEntity>($"Tenant eq '{tenant}'", cancellationToken: Cancellation).ToListAsync(Cancellation);

        Assert.Equal(HttpStatusCode.Forbidden, keys.StatusCode);
        Assert.Empty(listed.GetProperty("data").EnumerateArray());
        Assert.NotEmpty(audit);
        Assert.All(audit, row => Assert.DoesNotContain(row.Select(pair => pair.Value), value => value is string text && text.Contains("somebody", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Principal_HasTheScopesOfItsRoles_AndTheTenantOfItsClaim()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, settings: ["--Access:TrustPrincipal=true", "--Access:PrincipalTenantClaim=tid"]);
        var submitter = Header(("tid", "acme-signed-in"), ("roles", "batch.submit"), ("roles", "someone.else"), ("oid", "42"));

        Assert.Equal(HttpStatusCode.Accepted, await StatusAsync(host, "POST", submitter));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(host, "GET", submitter));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(host, "GET", Header(("roles", "batch.read"))));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(host, "GET", Header(("tid", "not a name"), ("roles", "batch.read"))));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(host, "GET", Header(("tid", "acme-signed-in"))));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(host, "GET", "nonsense"));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(host, "GET", null));
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync("acme-signed-in", ApiScopes.Read));
        Assert.NotEmpty((await host.GetAsync("v1/jobs")).GetProperty("data").EnumerateArray());
    }

    private static async Task<HttpStatusCode> StatusAsync(RunningHost host, string method, string? principal)
    {
        using var client = new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.Http.BaseAddress };
        using var request = new HttpRequestMessage(new HttpMethod(method), "v1/jobs") { Content = method == "GET" ? null : new StringContent("""{"prompt":"Once"}""") };
        if (principal is not null)
        {
            request.Headers.Add("X-MS-CLIENT-PRINCIPAL", principal);
        }

        using var response = await client.SendAsync(request, Cancellation);
        return response.StatusCode;
    }

    private static string Header(params (string Type, string Value)[] claims) => Convert.ToBase64String(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(
        new { auth_typ = "aad", name_typ = "name", role_typ = "roles", claims = claims.Select(claim => new { typ = claim.Type, val = claim.Value }) })));

    private static LlmEngine Scripted(EngineOptions options) => new ScriptedEngine();
}
