using System.Text.Json.Serialization;
using Batch.Jobs;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Functions;

/// <summary>A list that is not paged.</summary>
/// <param name="Kind">Always list.</param>
/// <param name="Data">All of them.</param>
internal sealed record Listing<T>([property: JsonPropertyName("object")] string Kind, IReadOnlyList<T> Data);

internal static class Listing
{
    public static Listing<T> Of<T>(IEnumerable<T> data) => new("list", [.. data]);
}

/// <summary>A job that was handed in.</summary>
/// <param name="Id">The caller's own, or a new one.</param>
/// <param name="Status">Where it stands: queued, unless the same job was handed in before.</param>
internal sealed record AcceptedJob(string Id, JobState Status);

/// <summary>A model, in OpenAI's shape.</summary>
/// <param name="Id">Its name, which requests give as model.</param>
/// <param name="Kind">Always model.</param>
/// <param name="Created">When this server started, in Unix seconds.</param>
/// <param name="OwnedBy">Always batch.</param>
internal sealed record Model(string Id, [property: JsonPropertyName("object")] string Kind, long Created, string OwnedBy)
{
    public static Model Of(ServedModel model, DateTimeOffset startedAt) => new(model.Name, "model", startedAt.ToUnixTimeSeconds(), "batch");
}

/// <summary>What was deleted, in OpenAI's shape.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Kind">What it was.</param>
/// <param name="IsDeleted">Always true.</param>
internal sealed record Deleted(string Id, [property: JsonPropertyName("object")] string Kind, [property: JsonPropertyName("deleted")] bool IsDeleted = true);

/// <summary>The process answers.</summary>
/// <param name="Status">Always live.</param>
internal sealed record Liveness(string Status);

/// <summary>Whether work can be taken.</summary>
/// <param name="Status">ready or not_ready.</param>
/// <param name="Reason">Why not, where it cannot.</param>
/// <param name="Model">The model that is taken where a request names none.</param>
/// <param name="Models">Every model that is configured.</param>
/// <param name="Storage">Whether the storage account answers.</param>
/// <param name="Draining">Shutdown has begun.</param>
/// <param name="Degraded">What somebody should look at; it keeps no work from being taken.</param>
internal sealed record ReadinessView(
    string Status, string? Reason, string Model, IReadOnlyList<ModelReadiness> Models, StorageReport Storage, bool Draining, IReadOnlyList<string> Degraded);

/// <summary>Whether a model is loaded.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Status">ready or not_ready.</param>
/// <param name="Reason">Why not, where it is not.</param>
internal sealed record ModelReadiness(string Id, string Status, string? Reason);
