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
        Assert.All(snapshot.OfType("Microsoft.OperationalInsights/workspaces"), workspace => Assert.Equal("True", workspace.Text("properties.features.disableLocalAuth")));
        Assert.All(snapshot.OfType("Microsoft.Insights/components"), component => Assert.Equal("True", component.Text("properties.DisableLocalAuth")));
    }

    [Theory, MemberData(nameof(Snapshots))]
    public void Keys_AreNeverRead(string name)
    {
        Assert.DoesNotMatch(@"\blist[A-Z]\w*\(", Snapshot.Load(name).Text);
        Assert.All(InfraCopy.FileNames, file => Assert.DoesNotMatch(@"\blist[A-Z]\w*\(", Repository.Read("infra", file)));
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

    [Theory, MemberData(nameof(Snapshots))]
    public void Resources_CarryTheEnvironmentsTag(string name)
    {
        var taggable = Snapshot.Load(name).Resources.Where(resource => resource.Type.Count(c => c == '/') == 1 && !TypesWithoutTags.Contains(resource.Type));

        Assert.All(taggable, resource => Assert.False(string.IsNullOrEmpty(resource.Text("tags.azd-env-name")), $"{resource.Type} {resource.Name} has no tag azd-env-name"));
    }

    [Theory, MemberData(nameof(Snapshots))]
    public void GpuProfile_IsWholeAndServerless(string name)
    {
        var snapshot = Snapshot.Load(name);
        var app = snapshot.Single("Microsoft.App/containerApps");

        var profile = snapshot.Single("Microsoft.App/managedEnvironments")["properties.workloadProfiles"].EnumerateArray()
            .Single(each => each.GetProperty("name").GetString() == app.Text("properties.workloadProfileName"));

        // Azure refuses these two on a profile that starts with Consumption-GPU.
        Assert.StartsWith("Consumption-GPU-", profile.GetProperty("workloadProfileType").GetString(), StringComparison.Ordinal);
        Assert.False(profile.TryGetProperty("minimumCount", out _));
        Assert.False(profile.TryGetProperty("maximumCount", out _));
        // The GPU goes to the first container, and to one only.
        Assert.Equal(1, app["properties.template.containers"].GetArrayLength());
    }

    [Fact]
    public void IsolatedServices_RefuseTheInternet()
    {
        var snapshot = Snapshot.Load("isolated");

        Assert.All(snapshot.OfType("Microsoft.Storage/storageAccounts"), account => Assert.Equal("Deny", account.Text("properties.networkAcls.defaultAction")));
        Assert.Equal("Disabled", snapshot.Single("Microsoft.ContainerRegistry/registries").Text("properties.publicNetworkAccess"));
        Assert.Equal("Disabled", snapshot.Single("Microsoft.EventGrid/topics").Text("properties.publicNetworkAccess"));
        Assert.Equal("True", snapshot.Single("Microsoft.App/managedEnvironments").Text("properties.vnetConfiguration.internal"));
        Assert.Equal(5, snapshot.OfType("Microsoft.Network/privateEndpoints").Count);
    }
}
