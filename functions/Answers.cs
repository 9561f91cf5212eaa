using System.Text.Json.Serialization;
using Batch.Jobs.Storage;

namespace Batch.Functions;

/// <summary>A list that is not paged.</summary>
internal sealed record Listing<T>([property: JsonPropertyName("object")] string Kind, IReadOnlyList<T> Data);

internal static class Listing
{
    public static Listing<T> Of<T>(IEnumerable<T> data) => new("list", [.. data]);
}

/// <summary>A job that was handed in.</summary>
internal sealed record AcceptedJob(string Id, JobState Status);

/// <summary>A model, in OpenAI's shape.</summary>
internal sealed record Model(string Id, [property: JsonPropertyName("object")] string Kind, long Created, string OwnedBy);

/// <summary>What was deleted, in OpenAI's shape.</summary>
internal sealed record Deleted(string Id, [property: JsonPropertyName("object")] string Kind, [property: JsonPropertyName("deleted")] bool IsDeleted = true);
