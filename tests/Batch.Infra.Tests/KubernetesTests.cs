using k8s;
using k8s.Models;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The manifest for Kubernetes: valid for its API, and in step with the template for Container Apps.</summary>
public sealed class KubernetesTests
{
    private static readonly Dictionary<string, Type> Types = new()
    {
        ["v1/Namespace"] = typeof(V1Namespace),
        ["v1/ServiceAccount"] = typeof(V1ServiceAccount),
        ["v1/Service"] = typeof(V1Service),
        ["apps/v1/Deployment"] = typeof(V1Deployment),
        ["keda.sh/v1alpha1/TriggerAuthentication"] = typeof(TriggerAuthentication),
        ["keda.sh/v1alpha1/ScaledObject"] = typeof(ScaledObject),
    };

    // A field that the API does not know is an error.
    private readonly List<object> _objects = KubernetesYaml.LoadAllFromString(Repository.Read("infra", "kubernetes", "batch.yaml"), Types, strict: true);

    [Fact]
    public void Manifest_EveryObject_IsKnownToTheApi() => Assert.Equal(Types.Values.Order(ByName), _objects.Select(each => each.GetType()).Order(ByName));

    [Fact]
    public void Deployment_MeetsTheRestrictedPodSecurityStandard()
    {
        var pod = _objects.OfType<V1Deployment>().Single().Spec.Template.Spec;
        var container = Assert.Single(pod.Containers);

        Assert.True(pod.SecurityContext.RunAsNonRoot);
        Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
        Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
        Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
    }

    [Fact]
    public void Deployment_SelectsItsOwnPodsAndTakesAGpu()
    {
        var deployment = _objects.OfType<V1Deployment>().Single();

        Assert.All(deployment.Spec.Selector.MatchLabels, label => Assert.Equal(label.Value, deployment.Spec.Template.Metadata.Labels[label.Key]));
        Assert.Equal(deployment.Spec.Template.Metadata.Labels["app.kubernetes.io/name"], _objects.OfType<V1Service>().Single().Spec.Selector["app.kubernetes.io/name"]);
        Assert.Equal("1", deployment.Spec.Template.Spec.Containers[0].Resources.Limits["nvidia.com/gpu"].ToString());
    }

    [Fact]
    public void Deployment_SetsWhatIsRead_AndCountsJobsAsHostJsonDoes()
    {
        var settings = _objects.OfType<V1Deployment>().Single().Spec.Template.Spec.Containers[0].Env.ToDictionary(variable => variable.Name, variable => variable.Value);

        Assert.All(settings.Keys, variable => Assert.True(ReadSettings.Contains(variable), $"{variable} is read by nobody"));
        Assert.Equal($"{HostJson.JobsAtOnce}", settings["Engine__MaxSequences"]);
    }

    [Fact]
    public void ScaleRules_WatchTheQueuesThatContainerAppsWatches()
    {
        var expected = Snapshot.Load("isolated").QueueRules.Select(rule => (Queue: rule.GetProperty("queueName").GetString()!, Length: rule.GetProperty("queueLength").ToString()));

        var scaled = _objects.OfType<ScaledObject>().Single();
        var seen = scaled.Spec.Triggers.Select(trigger => (trigger.Metadata["queueName"], trigger.Metadata["queueLength"]));

        Assert.Equal(expected.OrderBy(rule => rule.Queue, StringComparer.Ordinal), seen);
    }

    [Fact]
    public void ScaledObject_ScalesTheDeploymentFromZero_ByTheIdentityAlone()
    {
        var scaled = _objects.OfType<ScaledObject>().Single();
        var authentication = _objects.OfType<TriggerAuthentication>().Single();

        Assert.Equal(_objects.OfType<V1Deployment>().Single().Metadata.Name, scaled.Spec.ScaleTargetRef.Name);
        Assert.Equal(0, scaled.Spec.MinReplicaCount);
        Assert.All(scaled.Spec.Triggers, trigger => Assert.Equal(("azure-queue", authentication.Metadata.Name), (trigger.Type, trigger.AuthenticationRef.Name)));
        Assert.All(scaled.Spec.Triggers, trigger => Assert.Equal(["accountName", "queueLength", "queueName"], trigger.Metadata.Keys.Order(StringComparer.Ordinal)));
        Assert.Equal("azure-workload", authentication.Spec.PodIdentity.Provider);
        // A number is refused where KEDA takes text.
        Assert.DoesNotMatch(@"queueLength: \d", Repository.Read("infra", "kubernetes", "batch.yaml"));
    }

    private static readonly Comparer<Type> ByName = Comparer<Type>.Create((a, b) => string.CompareOrdinal(a.FullName, b.FullName));
}
