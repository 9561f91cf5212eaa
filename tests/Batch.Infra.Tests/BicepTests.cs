using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>What the Bicep compiler says about infra/.</summary>
public sealed class BicepTests(BicepServer bicep) : IClassFixture<BicepServer>
{
    /// <summary>Parameters that do not fit together, and the reason that is given.</summary>
    public static TheoryData<string, string> Refusals => new()
    {
        { "param minReplicas = 4", "minReplicas is greater than maxReplicas" },
        { "param modelShareGiB = 100", "modelShareGiB needs isolateNetwork" },
        { "param dtype = 'bfloat16'", "dtype bfloat16 needs an A100" },
        { "param replicaQuota = 2", "maxReplicas is greater than replicaQuota" },
        { "param replicaCpu = 9", "replicaCpu is more than gpuProfile has" },
        { "param replicaMemoryGiB = 57", "replicaMemoryGiB is more than gpuProfile has" },
        { "param gpuProfile = 'NC48-A100'", "device cuda uses one GPU of the several" },
        { "param device = 'cuda:0+cuda:1'", "device must name as many GPUs as gpuProfile has" },
        { "param webhookSecrets = true", "webhookSecrets needs keyVault" },
        { "param eventConsumers = ['archive']", "eventConsumers needs eventGrid" },
        { "param monthlyBudget = 1", "monthlyBudget needs budgetStartDate" },
        { "param isolateNetwork = true\nparam modelShareGiB = 100\nparam modelBlob = 'm'", "modelBlob and modelShareGiB exclude each other" },
        { "param isolateNetwork = true\nparam modelShareGiB = 99", "modelShareGiB is less than 100" },
        { "param modelPath = '/models/m'", "modelPath is on the model share, which needs modelShareGiB" },
        { "param settings = { Engine: { Device: 'cpu' } }", "settings.Engine must leave out ModelPath, " },
        { "param settings = { Engine: { ModelPath: '/m' } }", "settings.Engine must leave out ModelPath" },
        { "param settings = { Engine: { WeightDType: 'int8' } }", "settings.Engine.WeightDType int8 needs device cpu" },
        { "param settings = { Access: { Required: false } }", "settings.Access.Required false opens the API to the internet" },
        { "param settings = { Webhooks: { AllowHttp: true } }", "settings.Webhooks.AllowHttp and AllowPrivateAddresses need isolateNetwork" },
        { "param settings = { Webhooks: { AllowPrivateAddresses: true } }", "settings.Webhooks.AllowHttp and AllowPrivateAddresses need isolateNetwork" },
        { "param eventGrid = true\nparam eventConsumers = ['archive', 'archive']", "eventConsumers must differ" },
        { "param eventGrid = true\nparam eventConsumers = ['Archive']", "eventConsumers must be in lower case" },
        { "param eventGrid = true\nparam eventConsumers = ['poison']", "eventConsumers must be in lower case and without poison" },
        { "param monthlyBudget = 1\nparam budgetStartDate = '2026-12-15'", "monthlyBudget needs budgetStartDate, the first day of a month" },
        { "param isolateNetwork = true\nparam networkAddresses = '10.0.0.0/23'", "networkAddresses must be a /22 or more" },
    };

    [Fact]
    public async Task Lint_EveryFile_FindsNothing()
    {
        var run = await Bicep.RunAsync(Repository.Infra, "lint", "--pattern", "./**/*.bicep*", "--no-restore", "--diagnostics-format", "sarif");

        // The exit code counts errors alone, yet a misspelt property is only a warning.
        var findings = run.Findings(out var files);
        Assert.True(findings.Count == 0, string.Join('\n', findings.Distinct()));
        Assert.Equal(InfraCopy.FileNames.Length - 1, files);
        run.AssertSucceeded();
    }

    [Fact]
    public async Task Format_EveryFile_ChangesNothing()
    {
        foreach (var name in InfraCopy.FileNames.Where(name => Path.GetExtension(name) != ".json"))
        {
            var formatted = await bicep.AskAsync("bicep/format", new { path = Path.Combine(Repository.Infra, name) });

            Assert.Equal(Repository.Read("infra", name), formatted.GetProperty("contents").GetString());
        }
    }

    [Fact]
    public async Task Build_Main_DescribesEveryParameterAndHidesNothingInOutputs()
    {
        var compiled = await bicep.AskAsync("bicep/compile", new { path = Path.Combine(Repository.Infra, "main.bicep") });

        Assert.True(compiled.GetProperty("success").GetBoolean(), compiled.GetProperty("diagnostics").GetRawText());
        using var template = JsonDocument.Parse(compiled.GetProperty("contents").GetString()!);
        var templates = Templates(template.RootElement).ToList();
        Assert.True(templates.Count > 10, $"{templates.Count} templates");
        var parameters = templates.SelectMany(each => Members(each, "parameters")).ToList();
        Assert.All(parameters, parameter => Assert.Matches("^(Required|Optional)[.] .+[.]$", parameter.Value.GetProperty("metadata").GetProperty("description").GetString()));
        var outputs = templates.SelectMany(each => Members(each, "outputs")).ToList();
        Assert.All(outputs, output => Assert.DoesNotMatch(@"(?i)secure|\blist[A-Z]|ConnectionString|InstrumentationKey", output.Value.GetRawText()));
    }

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public async Task Snapshot_Parameters_StillPredictTheCommittedResources(string name)
    {
        var committed = Snapshot.Load(name);

        var predicted = await bicep.PredictAsync(Path.Combine(Repository.Infra, $"{name}.bicepparam"));

        // Bicep gives some properties in another order each time.
        var changed = committed.Resources.Concat(predicted.Resources).GroupBy(resource => resource.Id).Where(same => same.Count() != 2 || !JsonElement.DeepEquals(same.First().Json, same.Last().Json)).Select(same => same.Key);
        Assert.True(!changed.Any(), $"{name}.snapshot.json is out of date; if the change is meant: dotnet build tests/Batch.Infra.Tests -t:UpdateInfra\n{string.Join('\n', changed)}");
        Assert.True(JsonElement.DeepEquals(committed.Root.GetProperty("diagnostics"), predicted.Root.GetProperty("diagnostics")));
    }

    [Theory, MemberData(nameof(Refusals))]
    public async Task Snapshot_ParametersThatDoNotFitTogether_AreRefused(string parameter, string reason)
    {
        using var copy = new InfraCopy();
        await File.AppendAllTextAsync(Path.Combine(copy.Folder, "main.bicepparam"), $"{parameter}\n", TestContext.Current.CancellationToken);

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => bicep.PredictAsync(Path.Combine(copy.Folder, "main.bicepparam")));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refusals_OfTheTemplates_AreAllTested()
    {
        var reasons = InfraCopy.FileNames.SelectMany(file => Regex.Matches(Repository.Read("infra", file), @"fail\(\s*'([^'$]+)")).Select(match => match.Groups[1].Value).ToList();

        Assert.NotEmpty(reasons);
        Assert.All(reasons, reason => Assert.Contains(Refusals, refusal => reason.Contains(refusal.Data.Item2, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("param settings = { Engine: { CacheToken: 1 } }", "Did you mean \"CacheTokens\"?")]
    [InlineData("param settings = { Engine: { BlockSize: 257 } }", "maximum allowable value is 256")]
    public async Task Compile_SettingsThatTheCodeWouldRefuse_AreRefused(string parameter, string reason)
    {
        using var copy = new InfraCopy();
        var file = Path.Combine(copy.Folder, "main.bicepparam");
        await File.AppendAllTextAsync(file, $"{parameter}\n", TestContext.Current.CancellationToken);

        var compiled = await bicep.AskAsync("bicep/compileParams", new { path = file, parameterOverrides = new { } });

        Assert.False(compiled.GetProperty("success").GetBoolean());
        Assert.Contains(compiled.GetProperty("diagnostics").EnumerateArray(), diagnostic => diagnostic.GetProperty("message").GetString()!.Contains(reason, StringComparison.Ordinal));
    }

    // A module is a deployment resource with its template inside. Resources are an object where the template's language has names for them, else a list.
    private static IEnumerable<JsonElement> Templates(JsonElement template)
    {
        yield return template;
        var resources = template.GetProperty("resources");
        var all = resources.ValueKind == JsonValueKind.Array ? resources.EnumerateArray().ToArray() : [.. resources.EnumerateObject().Select(resource => resource.Value)];
        foreach (var inner in all.Where(resource => resource.GetProperty("type").GetString() == "Microsoft.Resources/deployments"))
        {
            foreach (var nested in Templates(inner.GetProperty("properties").GetProperty("template")))
            {
                yield return nested;
            }
        }
    }

    private static JsonProperty[] Members(JsonElement template, string name) =>
        template.TryGetProperty(name, out var members) ? [.. members.EnumerateObject()] : [];
}
