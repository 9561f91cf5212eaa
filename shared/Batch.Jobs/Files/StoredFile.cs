using System.Runtime.Serialization;
using System.Text.Json.Serialization;
using Azure;
using Azure.Data.Tables;

namespace Batch.Jobs.Files;

/// <summary>One file's row in table <c>files</c>, in its tenant's partition. Written when its bytes are in their blob.</summary>
public sealed record StoredFile : ITableEntity
{
    public string PartitionKey { get; set; } = "";
    public string RowKey { get; set; } = "";
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    public string Filename { get; set; } = "";
    public string Purpose { get; set; } = FilePurpose.Batch;

    /// <summary>Null while a batch still writes it.</summary>
    public long? Bytes { get; set; }
    public DateTimeOffset CreatedAt { get; set; }
    /// <summary>What was asked for; null for the usual time.</summary>
    public DateTimeOffset? ExpiresAt { get; set; }

    /// <summary>From when the usual time counts where that is not its creation: for a batch's files the end of its completion window.</summary>
    public DateTimeOffset? KeptFrom { get; set; }

    [IgnoreDataMember]
    public string Tenant => PartitionKey;

    [IgnoreDataMember]
    public string Id => RowKey;
}

/// <summary>What files are for.</summary>
public static class FilePurpose
{
    /// <summary>The requests of a batch; the only purpose that can be uploaded.</summary>
    public const string Batch = "batch";

    /// <summary>What a batch wrote.</summary>
    public const string BatchOutput = "batch_output";
}

/// <summary>A file as its tenant sees it, in OpenAI's shape. Times are Unix seconds.</summary>
/// <param name="Id">file- and an id.</param>
/// <param name="Kind">Always file.</param>
/// <param name="Bytes">How long it is.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="ExpiresAt">When it goes, where that was asked for.</param>
/// <param name="Filename">As it was uploaded.</param>
/// <param name="Purpose">batch of what was uploaded, batch_output of what a batch wrote.</param>
/// <param name="Status">Always processed.</param>
public sealed record FileView(
    string Id,
    [property: JsonPropertyName("object")] string Kind,
    long Bytes,
    long CreatedAt,
    long? ExpiresAt,
    string Filename,
    string Purpose,
    string Status)
{
    /// <summary>Of one file that is asked for: where its bytes are read for a time, without a key.</summary>
    public string? DownloadUrl { get; init; }

    public static FileView Of(StoredFile file, long bytes) => new(
        file.Id, "file", bytes, file.CreatedAt.ToUnixTimeSeconds(), file.ExpiresAt?.ToUnixTimeSeconds(), file.Filename, file.Purpose,
        "processed");
}

/// <summary>One page of a list, shaped as OpenAI's.</summary>
/// <param name="Kind">Always list.</param>
/// <param name="Data">The objects.</param>
/// <param name="FirstId">The first of them.</param>
/// <param name="LastId">The last of them, for after.</param>
/// <param name="HasMore">There are more after the last.</param>
public sealed record Page<T>(
    [property: JsonPropertyName("object")] string Kind,
    IReadOnlyList<T> Data,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? FirstId,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? LastId,
    bool HasMore);

internal static class Page
{
    /// <param name="found">Up to one more than the page holds.</param>
    public static Page<T> Of<T>(IReadOnlyList<T> found, int limit, Func<T, string> id)
    {
        var data = found.Take(limit).ToList();
        return new Page<T>("list", data, data.Count == 0 ? null : id(data[0]), data.Count == 0 ? null : id(data[^1]), found.Count > limit);
    }
}
