using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Batch.Functions.OpenApi;
using Batch.Functions.Tests.Clients;
using Batch.Inference.Engine;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>The OpenAPI document, the functions and the documentation say the same.</summary>
public sealed partial class OpenApiTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Document_IsValid_ByAValidatorOfItsOwn()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        var said = await NodePackage.RunAsync(
            "@seriousme/openapi-schema-validator", "2.11.0", "openapi.mjs", new Dictionary<string, string> { ["BATCH_URL"] = host.Http.BaseAddress!.AbsoluteUri });

        Assert.Equal("""{"valid":true,"version":"3.1","errors":[]}""", said.Trim());
    }

    [Fact]
    public void Document_DescribesEveryFunctionWithAnHttpTrigger()
    {
        var paths = JsonSerializer.SerializeToElement(OpenApiDocument.Build()).GetProperty("paths");

        Assert.All(ApiRoute.All, route =>
        {
            Assert.True(route.Operation is not null, $"{route.Function} has no [Operation]");
            Assert.All(route.Methods, method => Assert.Equal(route.Operation.Summary, paths.GetProperty(route.Path).GetProperty(method.ToLowerInvariant()).GetProperty("summary").GetString()));
        });
        Assert.True(ApiRoute.All.Count > 30);
    }

    [Fact]
    public void Document_PointsNowhereElse()
    {
        var text = OpenApiDocument.Build().ToJsonString();

        Assert.All(Reference().Matches(text), match => Assert.Matches("^#/components/(schemas|parameters|responses|headers)/[A-Za-z]+(/|$)", match.Groups[1].Value));
    }

    [Fact]
    public async Task Requests_TakeEveryFieldThatTheDocumentNames()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var document = JsonSerializer.SerializeToElement(OpenApiDocument.Build());
        foreach (var route in ApiRoute.All.Where(route => route.Operation?.Takes is { } takes && takes != RequestSchemas.File && route.Parameters.Count == 0))
        {
            foreach (var field in document.GetProperty("components").GetProperty("schemas").GetProperty(route.Operation!.Takes!).GetProperty("properties").EnumerateObject())
            {
                using var content = new StringContent("{\"" + field.Name + "\":{\"no\":\"such\"}}", Encoding.UTF8, "application/json");
                using var response = await host.Http.PostAsync(route.Path.TrimStart('/'), content, Cancellation);
                Assert.DoesNotContain($"unknown field \\\"{field.Name}\\\"", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task Answers_HaveTheMembersThatTheDocumentPromises()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var id = await host.SubmitForIdAsync("""{"prompt":"Once"}""");
        await host.FinishedAsync(id);
        using var error = await host.Http.GetAsync("v1/jobs/nobody", Cancellation);

        AssertPromised("Job", await host.GetAsync($"v1/jobs/{id}"));
        AssertPromised("JobPage", await host.GetAsync("v1/jobs"));
        AssertPromised("FilePage", await host.GetAsync("v1/files"));
        AssertPromised("BatchPage", await host.GetAsync("v1/batches"));
        AssertPromised("ApiKeyListing", await host.GetAsync("v1/keys"));
        AssertPromised("ModelListing", await host.GetAsync("v1/models"));
        AssertPromised("ApiError", await error.Content.ReadFromJsonAsync<JsonElement>(Cancellation));
    }

    [Fact]
    public void Documentation_NamesOnlyRoutesThatThereAre_AndEveryOne()
    {
        var text = File.ReadAllText(Path.Combine(Repository(), "docs", "api.md")).Replace("\\\n", " ", StringComparison.Ordinal);
        var curls = Curl().Matches(text).Select(match => (Method: MethodOf(match.Groups["line"].Value), Path: match.Groups["path"].Value.Split('?')[0])).Distinct().ToList();

        Assert.All(curls, curl => Assert.Contains(ApiRoute.All, route => route.Matches(curl.Path) && route.Methods.Contains(curl.Method)));
        var shown = ApiRoute.All.Where(route => curls.Any(curl => route.Matches(curl.Path) && route.Methods.Contains(curl.Method)));
        Assert.Empty(ApiRoute.All.Except(shown).Select(route => $"{route.Methods[0]} {route.Path} has no curl"));
    }

    private static void AssertPromised(string name, JsonElement answer)
    {
        var schema = JsonSerializer.SerializeToElement(OpenApiDocument.Build()).GetProperty("components").GetProperty("schemas").GetProperty(name);
        var given = answer.EnumerateObject().Select(member => member.Name).ToHashSet();

        Assert.Subset(given, schema.GetProperty("required").EnumerateArray().Select(member => member.GetString()!).ToHashSet());
        Assert.Subset(schema.GetProperty("properties").EnumerateObject().Select(member => member.Name).ToHashSet(), given);
    }

    private static string MethodOf(string line) =>
        Method().Match(line) is { Success: true } match ? match.Groups[1].Value : line.Contains(" -d ", StringComparison.Ordinal) || line.Contains(" -F ", StringComparison.Ordinal) ? "POST" : "GET";

    private static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Batch.sln")))
        {
            folder = folder.Parent;
        }

        return folder.FullName;
    }

    private static LlmEngine Scripted(EngineOptions options) => new ScriptedEngine();

    [GeneratedRegex("""curl (?<line>[^\n]*?\$BATCH_URL(?<path>/[^\s"']*)[^\n]*)""")]
    private static partial Regex Curl();

    [GeneratedRegex("-X ([A-Z]+)")]
    private static partial Regex Method();

    [GeneratedRegex("\"\\$ref\":\"([^\"]*)\"")]
    private static partial Regex Reference();
}
