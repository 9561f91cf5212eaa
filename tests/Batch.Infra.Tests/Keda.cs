using k8s.Models;

namespace Batch.Infra.Tests;

// KEDA's resources with the fields of keda.sh/v1alpha1 that a manifest may set; a strict reader refuses any other.

internal sealed class ScaledObject
{
    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public ScaledObjectSpec Spec { get; set; } = new();
}

internal sealed class ScaledObjectSpec
{
    public ScaleTarget ScaleTargetRef { get; set; } = new();

    public int? PollingInterval { get; set; }

    public int? InitialCooldownPeriod { get; set; }

    public int? CooldownPeriod { get; set; }

    public int? IdleReplicaCount { get; set; }

    public int? MinReplicaCount { get; set; }

    public int? MaxReplicaCount { get; set; }

    public List<ScaleTrigger> Triggers { get; set; } = [];
}

internal sealed class ScaleTarget
{
    public string Name { get; set; } = "";

    public string? ApiVersion { get; set; }

    public string? Kind { get; set; }

    public string? EnvSourceContainerName { get; set; }
}

internal sealed class ScaleTrigger
{
    public string Type { get; set; } = "";

    public string? Name { get; set; }

    public bool? UseCachedMetrics { get; set; }

    public Dictionary<string, string> Metadata { get; set; } = [];

    public AuthenticationRef AuthenticationRef { get; set; } = new();

    public string? MetricType { get; set; }
}

internal sealed class AuthenticationRef
{
    public string Name { get; set; } = "";

    public string? Kind { get; set; }
}

internal sealed class TriggerAuthentication
{
    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public TriggerAuthenticationSpec Spec { get; set; } = new();
}

internal sealed class TriggerAuthenticationSpec
{
    public PodIdentity PodIdentity { get; set; } = new();
}

internal sealed class PodIdentity
{
    public string Provider { get; set; } = "";

    public string? IdentityId { get; set; }

    public string? IdentityTenantId { get; set; }

    public string? IdentityAuthorityHost { get; set; }

    public string? IdentityOwner { get; set; }
}
