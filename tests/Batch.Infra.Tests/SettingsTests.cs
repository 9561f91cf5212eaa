using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;
using Batch.Jobs;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The template sets what the program reads, the program reads what the template sets, and docs/operations.md describes it.</summary>
public sealed class SettingsTests
{
    // Read by name, and yet not the template's to set.
    private static readonly string[] NotTheTemplates =
    [
        "KUBERNETES_SERVICE_HOST", // the platform's
        "OMP_WAIT_POLICY", // the program's own, for libgomp
        "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", // oneDNN's, to try an older CPU
        "OTEL_EXPORTER_OTLP_ENDPOINT", // none unless a parameter file names one
    ];

    private readonly Snapshot _main = Snapshot.Load("main");
    private readonly Snapshot _isolated = Snapshot.Load("isolated");

    [Theory]
    [InlineData("main", "/opt/models/draft-5m")]
    [InlineData("isolated", "/models/my-model")]
    [InlineData("blobmodel", null)]
    [InlineData("dedicated", null)]
    public void Settings_NameIdentityStorageAndModel(string name, string? modelPath)
    {
        var snapshot = Snapshot.Load(name);
        var settings = snapshot.Variables;

        Assert.Equal(snapshot.OfType("Microsoft.Storage/storageAccounts").Single(account => account.Text("kind") == "StorageV2").Name, settings["AzureWebJobsStorage__accountName"]);
        Assert.Equal("managedidentity", settings["AzureWebJobsStorage__credential"]);
        Assert.Equal(settings["AZURE_CLIENT_ID"], settings["AzureWebJobsStorage__clientId"]);
        Assert.Contains("userAssignedIdentities", settings["AZURE_CLIENT_ID"], StringComparison.Ordinal);
        // A plain setting would win over the identity.
        Assert.DoesNotContain("AzureWebJobsStorage", settings.Keys);
        // An address in the account is put together when it is deployed, by the cloud's own suffix.
        Assert.Equal(
            modelPath ?? $"[format('https://{{0}}.blob.{{1}}/{{2}}/{{3}}', '{settings["AzureWebJobsStorage__accountName"]}', environment().suffixes.storage, 'models', 'my-model')]",
            settings["Engine__ModelPath"]);
        Assert.StartsWith("cuda", settings["Engine__Device"], StringComparison.Ordinal);
        // A replica's disk is small: what lies in blobs must not be copied to it.
        Assert.Equal(modelPath is null ? "True" : "False", settings["Engine__StreamWeights"]);
    }

    [Fact]
    public void Settings_ThatAreSecret_ComeFromTheVaultByIdentity()
    {
        var configuration = _isolated.Single("Microsoft.App/containerApps")["properties.configuration"];
        var secrets = configuration.GetProperty("secrets").EnumerateArray().ToDictionary(secret => secret.GetProperty("name").GetString()!);
        var fromVault = _isolated.SecretVariables.ToDictionary(variable => variable.Key, variable => secrets[variable.Value]);

        Assert.Equal(["Webhooks__EncryptionKey", "Webhooks__Secret"], fromVault.Keys.Order(StringComparer.Ordinal));
        Assert.All(fromVault.Values, secret =>
        {
            Assert.Equal(["identity", "keyVaultUrl", "name"], secret.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal));
            Assert.Equal(configuration.GetProperty("registries")[0].GetProperty("identity").GetString(), secret.GetProperty("identity").GetString());
        });
        Assert.All(_main.Variables.Keys, name => Assert.DoesNotMatch("Secret|EncryptionKey", name));
    }

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Settings_OfConcurrency_AreHostJsons(string name) => Assert.Equal($"{HostJson.JobsAtOnce}", Snapshot.Load(name).Variables["Engine__MaxSequences"]);

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Settings_ThatTheCodeReads_AreSet(string name)
    {
        var read = CodeSetting.All.Where(setting => setting.HasValue).Select(setting => setting.Variable).Concat(ReadSettings.ByName.Except(NotTheTemplates));

        AssertNone(read.Except(Snapshot.Load(name).Variables.Keys), "read by the code and not set by the template");
    }

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Settings_ThatTheTemplateSets_AreRead(string name)
    {
        var snapshot = Snapshot.Load(name);
        string[] set = [.. snapshot.Variables.Keys, .. snapshot.SecretVariables.Keys];

        Assert.Distinct(set);
        AssertNone(set.Where(variable => !ReadSettings.Contains(variable)), "set by the template and read by nobody");
    }

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Settings_ThatTheTemplateSets_AreTaken(string name)
    {
        // What is known at deployment alone is an expression; addresses are.
        var settings = Snapshot.Load(name).Variables.ToDictionary(variable => variable.Key.Replace("__", ":", StringComparison.Ordinal), variable => variable.Value.StartsWith('[') ? "https://example.org" : variable.Value);
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings!).Build();

        foreach (var (section, type) in CodeSetting.Sections)
        {
            var options = Activator.CreateInstance(type)!;
            configuration.GetSection(section).Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);
            object[] bound = options is ModelsOptions models ? [.. models.Values] : [options];
            Assert.All(bound, each => Validator.ValidateObject(each, new ValidationContext(each), validateAllProperties: true));
        }
    }

    [Fact]
    public void Settings_ThatAreNotTheTemplates_AreReadByName() => AssertNone(NotTheTemplates.Except(ReadSettings.ByName), "excepted here and read by nobody");

    [Fact]
    public void Settings_OfAParameterFile_WinOverDefaults()
    {
        var settings = Snapshot.Load("dedicated").Variables;

        Assert.Equal("2048", settings["Engine__MaxBatchedTokens"]);
        Assert.Equal("0.85", settings["Engine__GpuMemoryUtilization"]);
        Assert.Equal("16", settings["Engine__BlockSize"]);
        Assert.Equal("2", settings["Batches__TenantWeights__research"]);
        Assert.Equal("/opt/models/draft-5m", settings["Models__draft__ModelPath"]);
        Assert.DoesNotContain("Batches__TenantWeights", settings.Keys);
    }

    [Fact]
    public void Settings_OfTheCode_AreDocumented() =>
        AssertNone(CodeSetting.All.Select(setting => setting.Name).Except(DocumentedSettings()), "not in the settings table of docs/operations.md");

    [Fact]
    public void Settings_OfTheDocumentation_AreReadByTheCode()
    {
        var sections = CodeSetting.All.Select(setting => setting.Section).ToHashSet();
        var documented = DocumentedSettings().Where(setting => sections.Contains(setting.Split(':')[0]));

        AssertNone(documented.Except(CodeSetting.All.Select(setting => setting.Name)), "in docs/operations.md and read by nobody");
    }

    private static void AssertNone(IEnumerable<string> settings, string fault) => Assert.True(!settings.Any(), $"{fault}: {string.Join(", ", settings)}");

    // First column of the table: `Section:Name`, `Other`, the section said once; what follows a dictionary's name is the reader's.
    private static IEnumerable<string> DocumentedSettings()
    {
        foreach (Match row in Regex.Matches(Repository.Read("docs", "operations.md"), @"(?m)^\| `(?<section>\w+):(?<cell>[^|]+)\|"))
        {
            foreach (Match setting in Regex.Matches($"`{row.Groups["cell"].Value}", @"`(?:\w+:)??(?<name>\w+)(?::\w+)?`"))
            {
                yield return $"{row.Groups["section"].Value}:{setting.Groups["name"].Value}";
            }
        }
    }
}
