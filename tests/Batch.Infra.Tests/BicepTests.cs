using System.Text.Json;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>What the Bicep compiler says about infra/. Each call takes it about three seconds.</summary>
public sealed class BicepTests
{
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
        using var copy = new InfraCopy();

        var run = await Bicep.RunAsync(copy.Folder, "format", "--pattern", "./**/*.bicep*");

        run.AssertSucceeded();
        Assert.All(InfraCopy.FileNames, name => Assert.Equal(Repository.Read("infra", name), File.ReadAllText(Path.Combine(copy.Folder, name))));
    }

    [Fact]
    public async Task Build_Main_DescribesEveryParameterAndHidesNothingInOutputs()
    {
        var run = await Bicep.RunAsync(Repository.Infra, "build", "main.bicep", "--stdout", "--no-restore");

        run.AssertSucceeded();
        using var template = JsonDocument.Parse(run.Output);
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
        var run = await Bicep.RunAsync(Repository.Infra, ["snapshot", $"{name}.bicepparam", "--mode", "validate", .. Bicep.SnapshotArguments]);

        Assert.True(run.ExitCode == 0, $"{name}.snapshot.json is out of date; if the change is meant: dotnet build tests/Batch.Infra.Tests -t:UpdateInfra\n{run.Output}{run.Error}");
    }

    [Theory]
    [InlineData("param minReplicas = 4", "minReplicas is greater than maxReplicas")]
    [InlineData("param modelShareGiB = 100", "modelShareGiB needs isolateNetwork")]
    [InlineData("param dtype = 'bfloat16'", "dtype bfloat16 needs an A100")]
    [InlineData("param replicaQuota = 2", "maxReplicas is greater than replicaQuota")]
    [InlineData("param eventConsumers = ['a']", "eventConsumers needs eventGrid")]
    [InlineData("param monthlyBudget = 1", "monthlyBudget needs budgetStartDate")]
    [InlineData("param isolateNetwork = true\nparam modelShareGiB = 100\nparam modelBlob = 'm'", "modelBlob and modelShareGiB exclude each other")]
    public async Task Snapshot_ParametersThatDoNotFitTogether_AreRefused(string parameter, string reason)
    {
        using var copy = new InfraCopy();
        await File.AppendAllTextAsync(Path.Combine(copy.Folder, "main.bicepparam"), $"{parameter}\n", TestContext.Current.CancellationToken);

        var run = await Bicep.RunAsync(copy.Folder, ["snapshot", "main.bicepparam", "--mode", "overwrite", .. Bicep.SnapshotArguments]);

        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains(reason, run.Output + run.Error, StringComparison.Ordinal);
    }

    // A module is a deployment resource with its template inside.
    private static IEnumerable<JsonElement> Templates(JsonElement template)
    {
        yield return template;
        foreach (var inner in Members(template, "resources").Select(resource => resource.Value).Where(resource => resource.GetProperty("type").GetString() == "Microsoft.Resources/deployments"))
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
