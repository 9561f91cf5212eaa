using System.Text.RegularExpressions;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>Rules of security and cost that hold for whatever infra/ deploys. They read the committed snapshots, so they run on any machine.</summary>
public sealed class PolicyTests
{
    private static readonly string[] AllowedRoles =
    [
        "7f951dda-4ed3-4680-a7ca-43fe172d538d", // AcrPull
        "d5a91429-5739-47e2-a06b-3470a27159e7", // EventGrid Data Sender
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", // Key Vault Secrets Officer, the operator alone
        "4633458b-17de-408a-b874-0445c86b69e6", // Key Vault Secrets User
        "3913510d-42f4-4e42-8a64-420c390055eb", // Monitoring Metrics Publisher
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe", // Storage Blob Data Contributor
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", // Storage Blob Data Owner, which the Functions host needs
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88", // Storage Queue Data Contributor
        "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a", // Storage Queue Data Message Sender
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", // Storage Table Data Contributor
    ];

    // Every other resource that is not a child of one takes tags.
    private static readonly string[] TypesWithoutTags =
    [
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.Consumption/budgets",
        "Microsoft.Insights/diagnosticSettings",
    ];

    // What has none, and what would say again what others say: a storage account's services, the workspace behind Application Insights, the two ends of a private endpoint.
    private static readonly string[] TypesWithoutDiagnostics =
    [
        "Microsoft.Authorization/roleAssignments", "Microsoft.Consumption/budgets", "Microsoft.Insights/actionGroups", "Microsoft.Insights/components",
        "Microsoft.Insights/diagnosticSettings", "Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules", "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.Network/privateDnsZones", "Microsoft.Network/privateEndpoints", "Microsoft.Resources/resourceGroups", "Microsoft.Storage/storageAccounts",
    ];

    public static TheoryData<string> Snapshots => Snapshot.All;

    [Theory, MemberData(nameof(Snapshots))]
    public void StorageAccounts_AreKeylessAndPrivate(string name)
    {
        Assert.All(Snapshot.Load(name).OfType("Microsoft.Storage/storageAccounts"), account =>
        {
            Assert.Equal("False", account.Text("properties.allowSharedKeyAccess"));
            Assert.Equal("False", account.Text("properties.allowBlobPublicAccess"));
            Assert.Equal("False", account.Text("properties.allowCrossTenantReplication"));
            Assert.Equal("TLS1_2", account.Text("properties.minimumTlsVersion"));
            // NFS 4.1 has no TLS: such an account must admit named subnets alone.
            Assert.True(account.Text("properties.supportsHttpsTrafficOnly") == "True" || account.Text("properties.networkAcls.defaultAction") == "Deny");
        });
    }

    [Theory, MemberData(nameof(Snapshots))]
    public void Services_AcceptIdentitiesAlone(string name)
    {
        var snapshot = Snapshot.Load(name);

        Assert.All(snapshot.OfType("Microsoft.ContainerRegistry/registries"), registry =>
        {
            Assert.Equal("False", registry.Text("properties.adminUserEnabled"));
            Assert.Equal("False", registry.Text("properties.anonymousPullEnabled"));
        });
        Assert.All(snapshot.OfType("Microsoft.EventGrid/topics"), topic =>
        {
            Assert.Equal("True", topic.Text("properties.disableLocalAuth"));
            Assert.Equal("1.2", topic.Text("properties.minimumTlsVersionAllowed"));
        });
        Assert.All(snapshot.OfType("Microsoft.KeyVault/vaults"), vault => Assert.Equal(("True", "True"), (vault.Text("properties.enableRbacAuthorization"), vault.Text("properties.enablePurgeProtection"))));
        Assert.All(snapshot.OfType("Microsoft.OperationalInsights/workspaces"), workspace => Assert.Equal("True", workspace.Text("properties.features.disableLocalAuth")));
        Assert.All(snapshot.OfType("Microsoft.Insights/components"), component => Assert.Equal("True", component.Text("properties.DisableLocalAuth")));
    }

    [Theory, MemberData(nameof(Snapshots))]
    public void Keys_AreNeverRead(string name)
    {
        const string keys = @"\blist[A-Z]\w*\(|AccountKey=|SharedAccess|[?&]sig=|InstrumentationKey|sharedKey";
        Assert.DoesNotMatch(keys, Snapshot.Load(name).Text);
        Assert.All(InfraCopy.FileNames, file => Assert.DoesNotMatch(keys, Repository.Read("infra", file)));
    }

    [Theory, MemberData(nameof(Snapshots))]
    public void RoleAssignments_GrantAllowedRolesOnSingleResources(string name)
    {
        var assignments = Snapshot.Load(name).OfType("Microsoft.Authorization/roleAssignments");

        Assert.NotEmpty(assignments);
        Assert.All(assignments, assignment =>
        {
            Assert.Contains(assignment.Text("properties.roleDefinitionId").Split('/')[^1], AllowedRoles);
            Assert.Equal(2, Regex.Count(assignment.Id, "/providers/"));
        });
        Assert.Distinct(assignments.Select(assignment => assignment.Name));
    }

    [Fact]
    public void RoleAssignments_OfTheApp_CannotWriteSecrets() =>
        Assert.DoesNotContain(Snapshot.Load("isolated").OfType("Microsoft.Authorization/roleAssignments"),
            assignment => assignment.Text("properties.principalType") == "ServicePrincipal" && assignment.Text("properties.roleDefinitionId").EndsWith("b86a8fe4-44ce-4948-aee5-eccb2c155cd7", StringComparison.Ordinal));

    [Fact]
    public void RoleAssignments_OfTheTopic_AreOnItsQueuesAndTheDeadLettersAlone()
    {
        var topics = Snapshot.Load("isolated").OfType("Microsoft.Authorization/roleAssignments").Where(assignment => assignment.Text("properties.principalId").Contains("Microsoft.EventGrid/topics", StringComparison.Ordinal));

        Assert.Equal(["batch-events-archive", "deadletter"], topics.Select(assignment => assignment.Id.Split("/providers/")[1].Split('/')[^1]).Order(StringComparer.Ordinal));
    }

    [Theory, MemberData(nameof(Snapshots))]
    public void Resources_CarryTheEnvironmentsTag(string name)
    {
        var taggable = Snapshot.Load(name).Resources.Where(resource => resource.Type.Count(c => c == '/') == 1 && !TypesWithoutTags.Contains(resource.Type));

        Assert.All(taggable, resource => Assert.False(string.IsNullOrEmpty(resource.Text("tags.azd-env-name")), $"{resource.Type} {resource.Name} has no tag azd-env-name"));
    }

    [Theory, MemberData(nameof(Snapshots))]
    public void Ingress_IsPublicOnlyWhereTheParameterFileAsks(string name)
    {
        var asked = Regex.IsMatch(Repository.Read("infra", $"{name}.bicepparam"), @"(?m)^param ingress = 'external'");
        var snapshot = Snapshot.Load(name);

        Assert.Equal(asked ? "True" : "False", snapshot.Single("Microsoft.App/containerApps").Text("properties.configuration.ingress.external"));
    }

    [Theory, MemberData(nameof(Snapshots))]
    public void Diagnostics_OfWhatServesOrHoldsData_GoToTheWorkspace(string name)
    {
        var snapshot = Snapshot.Load(name);
        var settings = snapshot.OfType("Microsoft.Insights/diagnosticSettings");
        var workspace = snapshot.Single("Microsoft.OperationalInsights/workspaces").Id;

        Assert.All(settings, setting => Assert.Equal(workspace, setting.Text("properties.workspaceId")));
        Assert.All(snapshot.Resources.Where(resource => IsService(resource.Type) && !TypesWithoutDiagnostics.Contains(resource.Type)),
            resource => Assert.Contains(settings, setting => setting.Id.StartsWith($"{resource.Id}/providers/", StringComparison.Ordinal)));

        // A storage account's services are what serves.
        static bool IsService(string type) => type.Count(c => c == '/') == 1 || Regex.IsMatch(type, "^Microsoft.Storage/storageAccounts/[a-z]+Services$");
    }

    [Theory]
    [InlineData("main", "Consumption-GPU-NC8as-T4", 8, "56Gi")]
    [InlineData("blobmodel", "Consumption-GPU-NC8as-T4", 4, "16Gi")]
    [InlineData("isolated", "Consumption-GPU-NC24-A100", 24, "220Gi")]
    [InlineData("dedicated", "NC48-A100", 44, "400Gi")]
    public void GpuProfile_AsTheFileAsks_GivesOneContainerItsResources(string name, string type, int cpu, string memory)
    {
        var snapshot = Snapshot.Load(name);
        var app = snapshot.Single("Microsoft.App/containerApps");

        var profile = snapshot.Single("Microsoft.App/managedEnvironments")["properties.workloadProfiles"].EnumerateArray()
            .Single(each => each.GetProperty("name").GetString() == app.Text("properties.workloadProfileName"));

        Assert.Equal(type, profile.GetProperty("workloadProfileType").GetString());
        // Azure refuses these two on a serverless profile, and wants them on a dedicated one.
        var isDedicated = !type.StartsWith("Consumption-GPU-", StringComparison.Ordinal);
        Assert.Equal((isDedicated, isDedicated), (profile.TryGetProperty("minimumCount", out _), profile.TryGetProperty("maximumCount", out _)));
        // The GPU goes to the first container, and to one only.
        var container = Assert.Single(app["properties.template.containers"].EnumerateArray());
        Assert.Equal((cpu, memory), (container.GetProperty("resources").GetProperty("cpu").GetInt32(), container.GetProperty("resources").GetProperty("memory").GetString()));
    }

    [Fact]
    public void Modules_FitOnTwoScreens() =>
        Assert.All(Directory.EnumerateFiles(Path.Combine(Repository.Infra, "modules")), file => Assert.True(File.ReadLines(file).Count() <= 150, $"{file} has more than 150 lines"));

    [Fact]
    public void ParameterFiles_CoverEveryKindOfDeployment() => Assert.Equal(["blobmodel", "dedicated", "isolated", "main"], Snapshots.Select(row => row.Data));

    [Fact]
    public void IsolatedServices_RefuseTheInternet()
    {
        var snapshot = Snapshot.Load("isolated");

        Assert.All(snapshot.OfType("Microsoft.Storage/storageAccounts"), account => Assert.Equal("Deny", account.Text("properties.networkAcls.defaultAction")));
        Assert.Equal("Disabled", snapshot.Single("Microsoft.ContainerRegistry/registries").Text("properties.publicNetworkAccess"));
        Assert.Equal("Disabled", snapshot.Single("Microsoft.EventGrid/topics").Text("properties.publicNetworkAccess"));
        Assert.Equal("Disabled", snapshot.Single("Microsoft.KeyVault/vaults").Text("properties.publicNetworkAccess"));
        Assert.Equal("True", snapshot.Single("Microsoft.App/managedEnvironments").Text("properties.vnetConfiguration.internal"));
        Assert.Equal(6, snapshot.OfType("Microsoft.Network/privateEndpoints").Count);
        // Nobody else answers for the app's name.
        Assert.Single(snapshot.OfType("Microsoft.Network/privateDnsZones"), zone => zone.Name.Contains("defaultDomain", StringComparison.Ordinal));
        Assert.Contains("staticIp", Assert.Single(snapshot.OfType("Microsoft.Network/privateDnsZones/A"))["properties.aRecords"][0].GetProperty("ipv4Address").GetString(), StringComparison.Ordinal);
    }
}
