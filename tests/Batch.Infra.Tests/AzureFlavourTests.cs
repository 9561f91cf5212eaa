using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The functions compiled against the official isolated worker, as the container builds them: what its SDK writes down for the host is what the source declares.</summary>
public sealed class AzureFlavourTests
{
    private static readonly string Artifacts = Path.Combine(Repository.Folder, "tests", "Batch.Infra.Tests", "obj", "azure");
    private static readonly string[] Sources = [.. Repository.SourceFiles("functions").Select(File.ReadAllText)];

    [Fact]
    public async Task AzureFlavour_Compiles_AndDeclaresWhatTheSourceDoes()
    {
        var output = await BuildAsync();
        var functions = JsonElement.Parse(await File.ReadAllTextAsync(Path.Combine(output, "functions.metadata"), TestContext.Current.CancellationToken)).EnumerateArray()
            .Select(function => (Name: function.GetProperty("name").GetString()!, Trigger: Trigger(function))).ToList();

        Assert.Equal(Names(), functions.Select(function => function.Name).Order(StringComparer.Ordinal));
        Assert.Equal(Routes(), Of(functions, "httpTrigger", trigger => $"{Method(trigger)} {trigger.GetProperty("route").GetString()}"));
        Assert.Equal(Schedules(), Of(functions, "timerTrigger", trigger => trigger.GetProperty("schedule").GetString()!));
        var queues = Of(functions, "queueTrigger", trigger => trigger.GetProperty("queueName").GetString()!);
        Assert.Equal(Sources.Sum(source => Regex.Count(source, @"\[QueueTrigger\(")), queues.Count);
        Assert.Subset(Snapshot.Load("main").Names("Microsoft.Storage/storageAccounts/queueServices/queues").ToHashSet(), queues.ToHashSet());
        // The extension that the host loads for queues; timers and HTTP are the host's own.
        Assert.Contains("Microsoft.Azure.WebJobs.Extensions.Storage.Queues", await File.ReadAllTextAsync(Path.Combine(output, "extensions.json"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.All(["host.json", "worker.config.json", "Batch.Functions.dll"], file => Assert.True(File.Exists(Path.Combine(output, file)), $"{file} is missing"));
        Assert.False(File.Exists(Path.Combine(output, "Batch.LocalHost.dll")), "the local host is in the Azure flavour");
    }

    [Fact]
    public async Task Sbom_ListsEveryPackageOfWhichSomethingIsPublished()
    {
        var output = await BuildAsync();

        await AssertListedAsync("functions/Batch.Functions.csproj", Path.Combine(output, "Batch.Functions.deps.json"));
        // What the host itself loads for the triggers.
        var extensions = Assert.Single(Directory.GetFiles(Path.Combine(Artifacts, "obj", "Batch.Functions"), "WorkerExtensions.csproj", SearchOption.AllDirectories));
        await AssertListedAsync(extensions, Path.Combine(output, ".azurefunctions", "function.deps.json"));
    }

    private static async Task AssertListedAsync(string project, string dependencies)
    {
        var sbom = await Sbom.WriteAsync(project, Artifacts);
        var published = JsonElement.Parse(await File.ReadAllTextAsync(dependencies, TestContext.Current.CancellationToken)).GetProperty("libraries").EnumerateObject()
            .Where(library => library.Value.GetProperty("type").GetString() == "package").Select(library => library.Name).ToList();

        Assert.NotEmpty(published);
        Assert.Subset(sbom.Packages.Select(package => $"{package.Name}/{package.Version}").ToHashSet(StringComparer.OrdinalIgnoreCase), published.ToHashSet(StringComparer.OrdinalIgnoreCase));
    }

    // Into folders of its own, beside those of the default flavour; from the second time on nearly nothing is built. The sources have been analysed there.
    private static async Task<string> BuildAsync()
    {
        string[] arguments = ["functions/Batch.Functions.csproj", "-p:FunctionsHost=Azure", "--artifacts-path", Artifacts, "-p:RunAnalyzers=false", "-p:GenerateDocumentationFile=false", "-v", "q", "-nodeReuse:false"];
        var (code, log) = await Dotnet.RunAsync(["restore", .. arguments]);
        Assert.SkipWhen(code != 0 && Regex.IsMatch(log, "NU110[12]|NU1301"), $"The packages of the Azure flavour cannot be had here: {log}");
        Assert.True(code == 0, log);
        (code, log) = await Dotnet.RunAsync(["build", .. arguments, "--no-restore"]);
        Assert.True(code == 0, log);
        return Path.Combine(Artifacts, "bin", "Batch.Functions", "debug");
    }

    private static JsonElement Trigger(JsonElement function) =>
        function.GetProperty("bindings").EnumerateArray().Single(binding => binding.GetProperty("type").GetString()!.EndsWith("Trigger", StringComparison.Ordinal));

    private static List<string> Of(List<(string Name, JsonElement Trigger)> functions, string type, Func<JsonElement, string> value) =>
        [.. functions.Where(function => function.Trigger.GetProperty("type").GetString() == type).Select(function => value(function.Trigger)).Order(StringComparer.Ordinal)];

    private static List<string> Names() => InSource(@"\[Function\((?:nameof\((\w+)\)|""(\w+)"")\)\]", match => match.Groups[1].Value + match.Groups[2].Value);

    // None where the trigger takes all.
    private static string Method(JsonElement trigger) =>
        trigger.TryGetProperty("methods", out var methods) && methods.ValueKind == JsonValueKind.Array ? string.Concat(methods.EnumerateArray().Select(method => method.GetString())) : "";

    private static List<string> Routes() => InSource(@"\[HttpTrigger\(AuthorizationLevel\.\w+(?:, ""(\w+)"")?, Route = ""([^""]+)""\)\]", match => $"{match.Groups[1].Value} {match.Groups[2].Value}");

    private static List<string> Schedules() => InSource(@"\[TimerTrigger\(""([^""]+)""", match => match.Groups[1].Value);

    private static List<string> InSource(string pattern, Func<Match, string> value) =>
        [.. Sources.SelectMany(source => Regex.Matches(source, pattern)).Select(value).Order(StringComparer.Ordinal)];
}
