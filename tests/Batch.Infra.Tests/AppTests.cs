using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The template and the program agree on names, settings, port and probes.</summary>
public sealed class AppTests
{
    private static readonly string[] Queues = ["batch-dispatch", "batch-dispatch-poison", "batch-events", "batch-jobs", "batch-jobs-failed", "batch-jobs-poison", "batch-lines", "batch-lines-poison", "batch-webhooks", "batch-webhooks-poison"];
    private static readonly string[] Tables = ["apikeys", "audit", "batches", "expiries", "files", "idempotency", "jobs", "scheduleruns", "schedules", "webhookdeliveries", "webhookendpoints"];
    private static readonly string[] Containers = ["batches", "deadletter", "files", "inputs", "models", "outputs", "progress", "results"];

    // What the Functions host, its storage extension, ASP.NET, Azure Monitor, Azure.Identity and NVIDIA's container runtime read.
    private static readonly string[] OthersSettings =
    [
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING", "ASPNETCORE_URLS", "AZURE_CLIENT_ID",
        "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential",
        "FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "FUNCTIONS_WORKER_RUNTIME",
        "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_VISIBLE_DEVICES",
    ];

    // Section to the names in it; a section that is a dictionary of models has the names of Engine and is left out.
    private static readonly Dictionary<string, string[]> Sections = ReadSections();

    private readonly Snapshot _main = Snapshot.Load("main");
    private readonly Snapshot _isolated = Snapshot.Load("isolated");

    [Fact]
    public void Storage_HoldsTheQueuesTablesAndContainers()
    {
        Assert.Equal(Queues, _main.Names("Microsoft.Storage/storageAccounts/queueServices/queues"));
        Assert.Equal(Tables, _main.Names("Microsoft.Storage/storageAccounts/tableServices/tables"));
        Assert.Equal(Containers, _main.Names("Microsoft.Storage/storageAccounts/blobServices/containers"));
    }

    [Theory]
    [InlineData(@"const string \w+ = ""(batch-[a-z-]+)""", "queueServices/queues")]
    [InlineData(@"const string \w*Table = ""([a-z]+)""", "tableServices/tables")]
    [InlineData(@"const string \w*Container = ""([a-z-]+)""", "blobServices/containers")]
    public void Storage_HoldsWhatTheCodeNames(string constant, string type)
    {
        var names = Repository.SourceFiles("shared/Batch.Jobs").SelectMany(file => Regex.Matches(File.ReadAllText(file), constant)).Select(match => match.Groups[1].Value).ToHashSet();
        Assert.SkipWhen(names.Count == 0, "shared/Batch.Jobs names none yet.");

        Assert.Subset(_main.Names($"Microsoft.Storage/storageAccounts/{type}").ToHashSet(), names);
    }

    [Fact]
    public void EventConsumers_GetQueuesOfTheirOwn()
    {
        Assert.Equal([.. Queues.Append("batch-events-archive").Order(StringComparer.Ordinal)], _isolated.Names("Microsoft.Storage/storageAccounts/queueServices/queues"));
        Assert.Equal("batch-events-archive", _isolated.Single("Microsoft.EventGrid/topics/eventSubscriptions").Text("properties.deliveryWithResourceIdentity.destination.properties.queueName"));
    }

    [Theory]
    [InlineData("main", "/opt/models/draft-5m")]
    [InlineData("isolated", "/models/my-model")]
    [InlineData("blobmodel", null)]
    [InlineData("dedicated", null)]
    public void Settings_NameIdentityStorageAndModel(string name, string? modelPath)
    {
        var snapshot = Snapshot.Load(name);
        var settings = Settings(snapshot);

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
        var fromVault = Container(_isolated).GetProperty("env").EnumerateArray().Where(each => each.TryGetProperty("secretRef", out _))
            .ToDictionary(each => each.GetProperty("name").GetString()!, each => secrets[each.GetProperty("secretRef").GetString()!]);

        Assert.Equal(["Webhooks__EncryptionKey", "Webhooks__Secret"], fromVault.Keys.Order(StringComparer.Ordinal));
        Assert.All(fromVault.Values, secret =>
        {
            Assert.Equal(["identity", "keyVaultUrl", "name"], secret.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal));
            Assert.Equal(configuration.GetProperty("registries")[0].GetProperty("identity").GetString(), secret.GetProperty("identity").GetString());
        });
        Assert.All(Settings(_main).Keys, name => Assert.DoesNotMatch("Secret|EncryptionKey", name));
    }

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Settings_OfConcurrency_AreHostJsons(string name) => Assert.Equal($"{InFlight()}", Settings(Snapshot.Load(name))["Engine__MaxSequences"]);

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Settings_AreReadByTheCode(string name)
    {
        var read = Sections.SelectMany(section => section.Value.Select(property => $"{section.Key}__{property}")).Concat(OthersSettings).ToHashSet();
        var set = Container(Snapshot.Load(name)).GetProperty("env").EnumerateArray().Select(each => each.GetProperty("name").GetString()!).ToList();

        Assert.Equal(set.Distinct(), set);
        AssertNone(set.Except(read), "set by the template and read by nobody");
    }

    [Fact]
    public void Settings_OfTheCode_AreDocumented()
    {
        var settings = Sections.SelectMany(section => section.Value.Select(property => $"{section.Key}:{property}"));

        AssertNone(settings.Except(DocumentedSettings()), "not in the settings table of docs/operations.md");
    }

    [Fact]
    public void Settings_OfTheDocumentation_AreReadByTheCode()
    {
        var settings = Sections.SelectMany(section => section.Value.Select(property => $"{section.Key}:{property}"));
        var documented = DocumentedSettings().Where(setting => Sections.ContainsKey(setting.Split(':')[0]));

        AssertNone(documented.Except(settings), "in docs/operations.md and read by nobody");
    }

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Ingress_IsOnAndEncrypted(string name)
    {
        var app = Snapshot.Load(name).Single("Microsoft.App/containerApps");

        // Without ingress no event scales the app; with two active revisions they would share one storage account.
        Assert.Equal("False", app.Text("properties.configuration.ingress.allowInsecure"));
        Assert.Equal("Single", app.Text("properties.configuration.activeRevisionsMode"));
    }

    [Fact]
    public void Probes_AskTheHealthRoutes()
    {
        var port = _isolated.Single("Microsoft.App/containerApps").Text("properties.configuration.ingress.targetPort");
        var probes = Container(_isolated).GetProperty("probes").EnumerateArray().ToDictionary(each => each.GetProperty("type").GetString()!);

        Assert.Equal("/health/live", probes["Startup"].GetProperty("httpGet").GetProperty("path").GetString());
        Assert.Equal("/health/live", probes["Liveness"].GetProperty("httpGet").GetProperty("path").GetString());
        Assert.Equal("/health/ready", probes["Readiness"].GetProperty("httpGet").GetProperty("path").GetString());
        Assert.All(probes.Values, probe =>
        {
            Assert.Equal(port, probe.GetProperty("httpGet").GetProperty("port").ToString());
            Assert.InRange(probe.GetProperty("failureThreshold").GetInt32(), 1, 10);
        });
    }

    [Fact]
    public void NativeScaling_LeavesTheRulesToThePlatform()
    {
        var app = _main.Single("Microsoft.App/containerApps");

        Assert.Equal("functionapp", app.Text("kind"));
        Assert.Equal(0, app["properties.template.scale.rules"].GetArrayLength());
    }

    [Fact]
    public void ExplicitScaling_WatchesQueuesWithTheAppsIdentity()
    {
        var app = _isolated.Single("Microsoft.App/containerApps");
        var identity = app["identity.userAssignedIdentities"].EnumerateObject().Single().Name;
        var rules = app["properties.template.scale.rules"].EnumerateArray().Select(rule => rule.GetProperty("azureQueue")).ToList();

        Assert.Equal(["batch-dispatch", "batch-jobs", "batch-lines", "batch-webhooks"], rules.Select(rule => rule.GetProperty("queueName").GetString()));
        Assert.All(rules, rule => Assert.Equal(identity, rule.GetProperty("identity").GetString()));
        Assert.NotEqual("functionapp", app.Text("kind"));
    }

    [Fact]
    public void ExplicitScaling_CountsJobsAsHostJsonDoes()
    {
        var jobs = _isolated.Single("Microsoft.App/containerApps")["properties.template.scale.rules"].EnumerateArray().Single(rule => rule.GetProperty("name").GetString() == "jobs");

        Assert.Equal(InFlight(), jobs.GetProperty("azureQueue").GetProperty("queueLength").GetInt32());
    }

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Alerts_WatchWhatMustNotHappenUnseen(string name)
    {
        var snapshot = Snapshot.Load(name);
        var queries = snapshot.OfType("Microsoft.Insights/scheduledQueryRules").ToDictionary(rule => rule.Name, rule => rule["properties.criteria.allOf"][0].GetProperty("query").GetString()!);

        Assert.Equal(["failed-jobs", "model-not-loaded", "oldest-message", "poison-messages", "scaling-skipped"], queries.Keys.Order(StringComparer.Ordinal));
        Assert.Contains($"\"{MetricName("QueueOldestAge")}\"", queries["oldest-message"], StringComparison.Ordinal);
        Assert.All(Regex.Matches(queries["oldest-message"], "\"(batch-[a-z]+)\""), match => Assert.Contains(match.Groups[1].Value, Queues));
        var metrics = snapshot.OfType("Microsoft.Insights/metricAlerts").Select(alert => alert.Name).ToHashSet();
        Assert.Superset(new HashSet<string> { "queue-backlog", "replica-restarts" }, metrics);
        Assert.Equal(snapshot.OfType("Microsoft.EventGrid/topics").Count, metrics.Contains("event-dead-letters") ? 1 : 0);
    }

    [Fact]
    public void Image_ListensWhereTheAppIsAskedAndIsNotRoot()
    {
        var dockerfile = Repository.Read("Dockerfile");
        var port = _main.Single("Microsoft.App/containerApps").Text("properties.configuration.ingress.targetPort");

        Assert.Contains($"EXPOSE {port}", dockerfile, StringComparison.Ordinal);
        Assert.Contains($"ASPNETCORE_URLS=http://+:{port}", dockerfile, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^USER (?!root)", dockerfile);
    }

    [Fact]
    public void Azd_NamesTheAppsServiceAndApiVersion()
    {
        var azd = Repository.Read("azure.yaml");
        var app = _main.Single("Microsoft.App/containerApps");

        Assert.Contains($"\n  {app.Text("tags.azd-service-name")}:\n", azd, StringComparison.Ordinal);
        // An older version drops the fields it does not know, the identity of a scale rule among them.
        Assert.Contains($"apiVersion: {app.Text("apiVersion")}\n", azd, StringComparison.Ordinal);
    }

    private static JsonElement Container(Snapshot snapshot) => snapshot.Single("Microsoft.App/containerApps")["properties.template.containers"][0];

    private static Dictionary<string, string> Settings(Snapshot snapshot) =>
        Container(snapshot).GetProperty("env").EnumerateArray().Where(each => each.TryGetProperty("value", out _))
            .ToDictionary(each => each.GetProperty("name").GetString()!, each => each.GetProperty("value").GetString()!);

    private static int InFlight()
    {
        using var host = JsonDocument.Parse(Repository.Read("host.json"));
        var queues = host.RootElement.GetProperty("extensions").GetProperty("queues");
        return queues.GetProperty("batchSize").GetInt32() + queues.GetProperty("newBatchThreshold").GetInt32();
    }

    private static string MetricName(string constant) =>
        Regex.Match(Repository.Read("shared", "Batch.Jobs", "Telemetry", "MetricNames.cs"), $@"const string {constant} = ""([^""]+)""").Groups[1].Value;

    private static void AssertNone(IEnumerable<string> settings, string fault) =>
        Assert.True(!settings.Any(), $"{fault}: {string.Join(", ", settings)}");

    private static Dictionary<string, string[]> ReadSections()
    {
        string[] files = [.. Repository.SourceFiles("shared")];
        var bindings = Regex.Matches(Repository.Read("functions", "Program.cs"), @"AddOptionsWithValidateOnStart<(?<class>\w+)(?:, \w+)?>\(\)\.BindConfiguration\(""(?<section>\w+)""\)");
        var sections = bindings.ToDictionary(binding => binding.Groups["section"].Value, binding => PropertiesOf(binding.Groups["class"].Value));
        Assert.Equal(["Access", "Audit", "Batches", "Engine", "EventGrid", "Jobs", "Limits", "Models", "Retention", "Webhooks"], sections.Keys.Order(StringComparer.Ordinal));
        Assert.True(sections.Remove("Models", out var none) && none.Length == 0);
        Assert.All(sections, section => Assert.NotEmpty(section.Value));
        return sections;

        string[] PropertiesOf(string type) =>
            [.. Regex.Matches(File.ReadAllText(files.Single(file => Path.GetFileName(file) == $"{type}.cs")), @"(?m)^    public (?:required )?[\w<>?, \[\]]+ (\w+) \{ get; set; \}").Select(match => match.Groups[1].Value)];
    }

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
