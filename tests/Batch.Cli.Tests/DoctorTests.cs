using System.Text.Json;
using System.Text.RegularExpressions;
using Azure.Storage.Queues;
using Batch.Cli.Doctor;
using Batch.LocalHost.Emulator;
using Microsoft.Extensions.Configuration;

namespace Batch.Cli.Tests;

/// <summary>Each fault is found, named, and comes with what mends it.</summary>
public sealed class DoctorTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("batch-doctor-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public async Task Doctor_FindsNothingWrong_WithTheFilesOfTheRepository()
    {
        await using var azurite = await Azurite.StartAsync(dataFolder: null, Token);

        var (code, output, errors) = await BatchCommand.RunAsync(
            "", "doctor", "--root", Repository(), "--json", "--set", $"AzureWebJobsStorage={azurite.ConnectionString}", "--set", $"Engine:ModelPath={DefaultModel.Path}");

        Assert.Equal((0, ""), (code, errors));
        using var report = JsonDocument.Parse(output);
        Assert.True(report.RootElement.GetProperty("healthy").GetBoolean());
        var messages = report.RootElement.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("message").GetString()!).ToList();
        Assert.Contains("32 jobs at once (batchSize + newBatchThreshold) for 32 places in the engine (Engine:MaxSequences)", messages);
        Assert.Contains("the scale rules count 32 jobs for a replica, too", messages);
        Assert.Contains(messages, message => message.Contains("draft-5m: llama, 4.5 M parameters stored as BF16", StringComparison.Ordinal));
        Assert.Contains(messages, message => message.StartsWith("queues answer at 127.0.0.1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Doctor_FailsAndSaysHowToMend_WhenSomethingIsWrong()
    {
        var (code, output, _) = await BatchCommand.RunAsync("", "doctor", "--root", Repository(), "--set", "Engine:MaxSequenzes=9", "--set", "Engine:ModelPath=/nowhere");

        Assert.Equal(1, code);
        Assert.Contains("bad", output, StringComparison.Ordinal);
        Assert.Contains("-> name it Engine:MaxSequences", Regex.Replace(output, @"\s+", " "), StringComparison.Ordinal);
        Assert.Contains("/nowhere is no Hugging Face model folder", Regex.Replace(output, @"\s+", " "), StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_KnowsEverySectionThatTheProgramBinds()
    {
        var bound = Regex.Matches(File.ReadAllText(Path.Combine(Repository(), "functions", "Program.cs")), @"BindConfiguration\(""(\w+)""\)").Select(match => match.Groups[1].Value);

        Assert.Equal(bound.Except(["Models"]).Order(), SettingsCheck.Sections.Select(section => section.Section).Order());
    }

    [Theory]
    [InlineData("Engine:MaxSequences", "5000", "between 1 and 1024")]
    [InlineData("Engine:MaxSequences", "many", "many")]
    [InlineData("Webhooks:Secret", "secret", "whsec_")]
    [InlineData("EventGrid:TopicEndpoint", "http://x", "https")]
    [InlineData("Models:small:Devise", "cpu", "Models:small:Devise is set, and nothing reads it")]
    [InlineData("LocalHost:Prot", "1", "nothing reads it")]
    public void Settings_OutOfRangeOrUnknown_AreProblems(string name, string value, string said)
    {
        var finding = Assert.Single(SettingsCheck.Run(Settings((name, value))), finding => finding.Severity == Severity.Problem);

        Assert.Contains(said, finding.Message, StringComparison.Ordinal);
        Assert.NotNull(finding.Fix);
    }

    [Theory]
    [InlineData("Access:Required", "false")]
    [InlineData("Webhooks:AllowPrivateAddresses", "true")]
    public void Settings_ThatOpenTheService_AreWarnings(string name, string value) =>
        Assert.Contains(SettingsCheck.Run(Settings((name, value))), finding => finding.Severity == Severity.Warning && finding.Message.StartsWith(name, StringComparison.Ordinal));

    [Theory]
    [InlineData("newBatchThreshold", "8", "Warning", "24 jobs at once (batchSize + newBatchThreshold), and 32 places in the engine: 8 stay empty")]
    [InlineData("newBatchThreshold", "32", "Warning", "16 wait here")]
    [InlineData("newBatchThreshold", null, "Problem", "newBatchThreshold is not set")]
    [InlineData("messageEncoding", "none", "Problem", "messageEncoding is 'none'")]
    [InlineData("maxDequeueCount", "3", "Problem", "maxDequeueCount is 3")]
    [InlineData("visibilityTimeout", "00:00:00", "Warning", "visibilityTimeout is 0")]
    public void HostJson_ThatDoesNotFitTheEngine_IsFound(string name, string? value, string severity, string said)
    {
        var host = new Dictionary<string, string?> { ["batchSize"] = "16", ["newBatchThreshold"] = "16", ["maxDequeueCount"] = "5", ["visibilityTimeout"] = "00:00:05", ["messageEncoding"] = "base64" };
        host[name] = value;
        var settings = host.Where(each => each.Value is not null).Select(each => ($"AzureFunctionsJobHost:extensions:queues:{each.Key}", each.Value!)).Append(("AzureFunctionsJobHost:functionTimeout", "-1"));

        Assert.Contains(HostCheck.Run(Settings([.. settings]), _root.FullName), finding => finding.Severity.ToString() == severity && finding.Message.Contains(said, StringComparison.Ordinal));
    }

    [Fact]
    public void HostJson_AndScaleSettingsThatDisagree_AreFound()
    {
        var manifests = Directory.CreateDirectory(Path.Combine(_root.FullName, "infra", "kubernetes"));
        File.WriteAllText(Path.Combine(manifests.FullName, "batch.yaml"), "queueName: batch-jobs\nqueueLength: \"8\"\n");

        var findings = HostCheck.Run(Settings(("AzureFunctionsJobHost:extensions:queues:batchSize", "16"), ("AzureFunctionsJobHost:extensions:queues:newBatchThreshold", "16")), _root.FullName);

        Assert.Contains(findings, finding => finding.Severity == Severity.Warning && finding.Message == "queueLength of batch-jobs in infra/kubernetes/batch.yaml is 8, a replica takes 32");
    }

    [Fact]
    public void Model_WithATensorTooFew_IsFoundWithoutReadingWeights()
    {
        foreach (var file in Directory.EnumerateFiles(DefaultModel.Path))
        {
            File.Copy(file, Path.Combine(_root.FullName, Path.GetFileName(file)));
        }

        var config = Path.Combine(_root.FullName, "config.json");
        File.WriteAllText(config, Regex.Replace(File.ReadAllText(config), @"(""num_hidden_layers"": *)\d+", "${1}99"));

        var finding = Assert.Single(ModelCheck.Run(Settings(("Engine:ModelPath", _root.FullName), ("Engine:Device", "cpu")), DefaultModel.Path));

        Assert.Equal(Severity.Problem, finding.Severity);
        Assert.Matches("tensor 'model.layers.[0-9]+.* is missing", finding.Message);
    }

    [Fact]
    public void Model_ThatNeedsMoreMemoryThanThereIs_IsFound()
    {
        var finding = Assert.Single(ModelCheck.Run(Settings(("Engine:ModelPath", DefaultModel.Path), ("Engine:Device", "cpu"), ("Engine:CacheTokens", "67108864")), DefaultModel.Path));

        Assert.Equal(Severity.Problem, finding.Severity);
        Assert.Contains("too little", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Storage_WithMessagesThatAreNoBase64OrWereGivenUp_IsFound()
    {
        await using var azurite = await Azurite.StartAsync(dataFolder: null, Token);
        await SendAsync(azurite.ConnectionString, "batch-jobs", "{ not base64 }");
        await SendAsync(azurite.ConnectionString, "batch-jobs-failed", Convert.ToBase64String("{}"u8));

        var findings = await StorageCheck.RunAsync(Settings(("AzureWebJobsStorage", azurite.ConnectionString)), TimeProvider.System, Token);

        Assert.Contains(findings, finding => finding.Severity == Severity.Problem && finding.Message.StartsWith("batch-jobs holds a message that is not base64", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding.Severity == Severity.Warning && finding.Message == "batch-jobs-failed holds 1 messages that were given up");
        Assert.Contains(findings, finding => finding.Message.StartsWith("no API key exists", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Storage_WhoseClockIsAnother_IsFound()
    {
        await using var azurite = await Azurite.StartAsync(dataFolder: null, Token);

        var findings = await StorageCheck.RunAsync(Settings(("AzureWebJobsStorage", azurite.ConnectionString)), new Slow(TimeSpan.FromMinutes(7)), Token);

        Assert.Contains(findings, finding => finding.Severity == Severity.Problem && finding.Message.StartsWith("this machine's clock is behind the queues' by 4", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Storage_ThatDoesNotAnswer_IsFound()
    {
        var findings = await StorageCheck.RunAsync(Settings(("AzureWebJobsStorage:queueServiceUri", "http://127.0.0.1:1/"), ("AzureWebJobsStorage", "no connection string")), TimeProvider.System, Token);

        Assert.Equal(Severity.Problem, Assert.Single(findings).Severity);
    }

    [Fact]
    public void Machine_WithoutNode_CannotRunTheEmulator()
    {
        Assert.Contains(MachineCheck.Run(Settings(), "no-such-program"), finding => finding.Severity == Severity.Problem && finding.Message.StartsWith("Node.js is not installed", StringComparison.Ordinal));
        Assert.Contains(MachineCheck.Run(Settings(("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("AzureWebJobsStorage:accountName", "a"))), finding => finding.Message.StartsWith("drain mode is on", StringComparison.Ordinal));
    }

    private static async Task SendAsync(string storage, string name, string text)
    {
        var queue = new QueueClient(storage, name);
        await queue.CreateIfNotExistsAsync(cancellationToken: Token);
        await queue.SendMessageAsync(text, Token);
    }

    private static IConfiguration Settings(params (string Name, string Value)[] settings) =>
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(each => KeyValuePair.Create(each.Name, (string?)each.Value))).Build();

    private static string Repository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Batch.sln")))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        return folder;
    }

    // A clock that is so much behind.
    private sealed class Slow(TimeSpan behind) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() - behind;
    }
}
