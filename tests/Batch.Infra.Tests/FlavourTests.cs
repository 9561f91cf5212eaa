using System.Text.RegularExpressions;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The functions, from their source: what both flavours declare, and whether infra/ provisions what they need.</summary>
public sealed class FlavourTests
{
    private static readonly string[] Sources = [.. Repository.SourceFiles("functions").Select(File.ReadAllText)];
    private static readonly string Project = Repository.Read("functions", "Batch.Functions.csproj");

    // Names of queues as the triggers write them, JobQueues.Jobs, and their values.
    private static readonly Dictionary<string, string> Constants = Repository.SourceFiles("shared/Batch.Jobs")
        .SelectMany(file => Regex.Matches(File.ReadAllText(file), @"const string (\w+) = ""(batch-[a-z-]+)""").Select(match => ($"{Path.GetFileNameWithoutExtension(file)}.{match.Groups[1].Value}", match.Groups[2].Value)))
        .ToDictionary();

    private readonly Snapshot _main = Snapshot.Load("main");

    [Fact]
    public void Functions_AreTheSameInBothFlavours()
    {
        // No source is compiled for one flavour alone: they differ in the packages that supply the attributes.
        Assert.All(Sources, source => Assert.DoesNotMatch(@"(?m)^\s*#if", source));
        Assert.DoesNotMatch("<Compile ", Project);
        Assert.DoesNotMatch("DefineConstants", Project);
    }

    [Fact]
    public void Functions_HaveNamesOfTheirOwnAndOneTriggerEach()
    {
        var functions = Sources.Where(source => source.Contains("[Function(", StringComparison.Ordinal)).ToList();

        Assert.NotEmpty(functions);
        Assert.All(functions, source => Assert.Equal(Regex.Count(source, @"\[Function\("), Regex.Count(source, @"\[(Queue|Timer|Http)Trigger\(")));
        Assert.Distinct(functions.SelectMany(source => Regex.Matches(source, @"\[Function\((.+?)\)\]")).Select(match => match.Value.Replace("nameof", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void QueueTriggers_ListenToProvisionedQueues()
    {
        var provisioned = _main.Names("Microsoft.Storage/storageAccounts/queueServices/queues");
        var queues = Sources.SelectMany(source => Regex.Matches(source, @"\[QueueTrigger\(([\w.]+|""[^""]+"")")).Select(match => match.Groups[1].Value.Trim('"')).ToList();

        Assert.NotEmpty(queues);
        Assert.All(queues, queue => Assert.Contains(Constants.GetValueOrDefault(queue, queue), provisioned));
    }

    [Fact]
    public void HttpTriggers_HaveRoutesOfTheirOwn()
    {
        var routes = Sources.SelectMany(source => Regex.Matches(source, @"\[HttpTrigger\(AuthorizationLevel\.\w+(?:, ""(\w+)"")?, Route = ""([^""]+)""\)\]")).Select(match => $"{match.Groups[1].Value} {match.Groups[2].Value}").ToList();

        Assert.Equal(Sources.Sum(source => Regex.Count(source, @"\[HttpTrigger\(")), routes.Count);
        Assert.Distinct(routes);
    }

    [Fact]
    public void Probes_AskForRoutesThatAFunctionHas()
    {
        var paths = Snapshot.Load("isolated").Single("Microsoft.App/containerApps")["properties.template.containers"][0].GetProperty("probes").EnumerateArray()
            .Select(probe => probe.GetProperty("httpGet").GetProperty("path").GetString()!.TrimStart('/'));

        Assert.All(paths, path => Assert.Contains(Sources, source => source.Contains($"Route = \"{path}\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void AzureFlavour_ReferencesAPackageForEachKindOfTrigger()
    {
        var packages = Regex.Match(Project, @"(?s)<ItemGroup Condition=""'\$\(FunctionsHost\)' == 'Azure'"">(.*?)</ItemGroup>").Groups[1].Value;

        Assert.Contains("\"Microsoft.Azure.Functions.Worker\"", packages, StringComparison.Ordinal);
        Assert.Contains("\"Microsoft.Azure.Functions.Worker.Sdk\" OutputItemType=\"Analyzer\"", packages, StringComparison.Ordinal);
        (string Trigger, string Package)[] kinds = [("Queue", "Storage.Queues"), ("Timer", "Timer"), ("Http", "Http.AspNetCore")];
        Assert.All(kinds.Where(kind => Sources.Any(source => source.Contains($"[{kind.Trigger}Trigger(", StringComparison.Ordinal))),
            kind => Assert.Contains($"\"Microsoft.Azure.Functions.Worker.Extensions.{kind.Package}\"", packages, StringComparison.Ordinal));
    }
}
