using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The template and the program agree on names, port and probes.</summary>
public sealed class AppTests
{
    private static readonly string[] Queues = ["batch-dispatch", "batch-dispatch-poison", "batch-events", "batch-jobs", "batch-jobs-failed", "batch-jobs-poison", "batch-lines", "batch-lines-poison", "batch-webhooks", "batch-webhooks-poison"];
    private static readonly string[] Tables = ["apikeys", "audit", "batches", "expiries", "files", "idempotency", "jobs", "scheduleruns", "schedules", "webhookdeliveries", "webhookendpoints"];
    private static readonly string[] Containers = ["batches", "deadletter", "files", "inputs", "models", "outputs", "progress", "results"];

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

    [Fact]
    public void EventConsumers_LoseNoEventUnseen()
    {
        var deadLetters = _isolated.Single("Microsoft.EventGrid/topics/eventSubscriptions")["properties.deadLetterWithResourceIdentity.deadLetterDestination.properties"];

        Assert.Equal("deadletter", deadLetters.GetProperty("blobContainerName").GetString());
        Assert.Equal(_isolated.OfType("Microsoft.Storage/storageAccounts").Single(account => account.Text("kind") == "StorageV2").Id, deadLetters.GetProperty("resourceId").GetString());
    }

    // What callers put into inputs is theirs, and models are the operators'.
    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Lifecycle_RemovesWhatTheProgramLeaves_LaterThanTheProgramDoes(string name)
    {
        var snapshot = Snapshot.Load(name);
        var days = snapshot.Single("Microsoft.Storage/storageAccounts/managementPolicies")["properties.policy.rules"].EnumerateArray().Select(rule => rule.GetProperty("definition"))
            .ToDictionary(rule => rule.GetProperty("filters").GetProperty("prefixMatch")[0].GetString()!.TrimEnd('/'), rule => rule.GetProperty("actions").GetProperty("baseBlob").GetProperty("delete").GetProperty("daysAfterModificationGreaterThan").GetInt32());

        Assert.Equal(Containers.Except(["inputs", "models"]), days.Keys.Order(StringComparer.Ordinal));
        var retention = int.Parse(snapshot.Variables["Retention__Days"], CultureInfo.InvariantCulture);
        // A batch may run for a year; what it wrote for its owner, and what was not delivered, nobody else removes.
        Assert.All(days, container => Assert.Equal(retention + (container.Key is "outputs" or "deadletter" ? 0 : 400), container.Value));
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
        var probes = _isolated.Container.GetProperty("probes").EnumerateArray().ToDictionary(each => each.GetProperty("type").GetString()!);

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
        var rules = _isolated.QueueRules;

        Assert.Equal(["batch-dispatch", "batch-jobs", "batch-lines", "batch-webhooks"], rules.Select(rule => rule.GetProperty("queueName").GetString()).Order(StringComparer.Ordinal));
        Assert.All(rules, rule => Assert.Equal(identity, rule.GetProperty("identity").GetString()));
        Assert.NotEqual("functionapp", app.Text("kind"));
    }

    [Fact]
    public void ExplicitScaling_CountsJobsAsHostJsonDoes() =>
        Assert.All(_isolated.QueueRules.Where(rule => rule.GetProperty("queueName").GetString() is "batch-jobs" or "batch-lines"), rule => Assert.Equal(HostJson.JobsAtOnce, rule.GetProperty("queueLength").GetInt32()));

    // The platform's own rule for HTTP goes once there is another.
    [Fact]
    public void ExplicitScaling_LetsARequestWakeAReplica() =>
        Assert.Single(_isolated.Single("Microsoft.App/containerApps")["properties.template.scale.rules"].EnumerateArray(), rule => rule.TryGetProperty("http", out _));

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Alerts_WatchWhatMustNotHappenUnseen(string name)
    {
        var snapshot = Snapshot.Load(name);
        var queries = snapshot.OfType("Microsoft.Insights/scheduledQueryRules").ToDictionary(rule => rule.Name, rule => rule["properties.criteria.allOf"][0].GetProperty("query").GetString()!);

        Assert.Equal(["failed-jobs", "logs-capped", "model-not-loaded", "oldest-message", "poison-messages", "scaling-skipped"], queries.Keys.Order(StringComparer.Ordinal));
        Assert.Contains($"\"{MetricName("QueueOldestAge")}\"", queries["oldest-message"], StringComparison.Ordinal);
        Assert.All(Regex.Matches(queries["oldest-message"], "\"(batch-[a-z]+)\""), match => Assert.Contains(match.Groups[1].Value, Queues));
        var metrics = snapshot.OfType("Microsoft.Insights/metricAlerts").Select(alert => alert.Name).ToHashSet();
        Assert.Superset(new HashSet<string> { "queue-backlog", "replica-restarts" }, metrics);
        Assert.Equal(snapshot.OfType("Microsoft.EventGrid/topics").Count, metrics.Contains("event-dead-letters") ? 1 : 0);
    }

    [Theory, MemberData(nameof(Snapshot.All), MemberType = typeof(Snapshot))]
    public void Alerts_AreOnAndReachTheOperators(string name)
    {
        var snapshot = Snapshot.Load(name);
        var group = snapshot.Single("Microsoft.Insights/actionGroups");
        var rules = snapshot.OfType("Microsoft.Insights/scheduledQueryRules");
        var metrics = snapshot.OfType("Microsoft.Insights/metricAlerts");

        Assert.All(rules.Concat(metrics), alert => Assert.Equal("True", alert.Text("properties.enabled")));
        Assert.All(rules, alert => Assert.Equal(group.Id, Assert.Single(alert["properties.actions.actionGroups"].EnumerateArray()).GetString()));
        Assert.All(metrics, alert => Assert.Equal(group.Id, Assert.Single(alert["properties.actions"].EnumerateArray()).GetProperty("actionGroupId").GetString()));
        var emails = Regex.Matches(Repository.Read("infra", $"{name}.bicepparam"), @"'(\S+@\S+)'").Select(match => match.Groups[1].Value);
        Assert.Equal(emails, group["properties.emailReceivers"].EnumerateArray().Select(receiver => receiver.GetProperty("emailAddress").GetString()));
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
        Assert.Contains($"apiVersion: \"{app.Text("apiVersion")}\"\n", azd, StringComparison.Ordinal);
    }

    private static string MetricName(string constant) =>
        Regex.Match(Repository.Read("shared", "Batch.Jobs", "Telemetry", "MetricNames.cs"), $@"const string {constant} = ""([^""]+)""").Groups[1].Value;
}
