using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Azure;
using Azure.Data.Tables;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Batch.Jobs.Requests;
using Batch.Jobs.Retention;
using Batch.Jobs.Runs;

namespace Batch.Jobs.Storage;

/// <summary>
/// Job rows and their blobs. Every write is safe to repeat: names follow from tenant and id, rows change under their ETag, and the first
/// result stands.
/// </summary>
public sealed class JobStore(StorageClients clients)
{
    public const string JobsTable = "jobs";
    public const string InputsContainer = "inputs";
    public const string ResultsContainer = "results";
    public const string ProgressContainer = "progress";

    internal const string ExpiryKind = "job";

    // A table property holds 32 Ki characters; a longer submission goes to a blob and the row keeps its fingerprint (claim check).
    private const int LongestInlineRequest = 30_000;

    private readonly TableClient _rows = clients.Tables.GetTableClient(JobsTable);
    private readonly BlobContainerClient _results = clients.Blobs.GetBlobContainerClient(ResultsContainer);
    private readonly BlobContainerClient _progress = clients.Blobs.GetBlobContainerClient(ProgressContainer);
    private readonly ExpiryIndex _expiries = new(clients);

    /// <summary>The tenant's job of that id; both may be any text.</summary>
    public async Task<Job?> FindAsync(string id, string tenant, CancellationToken cancellationToken) =>
        JsonField.IsName(id) && JsonField.IsName(tenant) // storage would answer 400
        && await FindAsync(Job.Name(tenant, id), cancellationToken) is { } job && job.Tenant == tenant ? job : null;

    /// <summary>Adds the job, or gives the one that has its id already.</summary>
    public async Task<Job> AddAsync(Job job, JobRequest? request, CancellationToken cancellationToken)
    {
        job = await FindAsync(job.PartitionKey, cancellationToken) ?? await InsertAsync(job, request, cancellationToken);
        await _rows.UpsertEntityAsync(new TableEntity(ListPartition(job.Tenant), ListKey(job)), TableUpdateMode.Replace, cancellationToken);
        return job;
    }

    /// <summary>
    /// Writes <paramref name="change"/> of the row. When another writer was first, the change is applied to what that writer left, until it
    /// holds. A change that gives its argument back is not written.
    /// </summary>
    public async Task<Job> UpdateAsync(Job job, Func<Job, Job> change, CancellationToken cancellationToken)
    {
        while (true)
        {
            var changed = change(job);
            if (ReferenceEquals(changed, job))
            {
                return job;
            }

            try
            {
                var written = await _rows.UpdateEntityAsync(changed, job.ETag, TableUpdateMode.Replace, cancellationToken);
                return changed with { ETag = written.Headers.ETag.GetValueOrDefault() };
            }
            catch (RequestFailedException e) when (e.Status == 412)
            {
                job = await FindAsync(job.PartitionKey, cancellationToken)
                    ?? throw new InvalidOperationException($"job {job.Id} was deleted while it was being changed", e);
            }
        }
    }

    public async Task<JobRequest> ReadRequestAsync(Job job, CancellationToken cancellationToken)
    {
        var json = job.Request;
        if (json is null)
        {
            var blob = await RequestBlob(job.Tenant, job.Id).DownloadContentAsync(cancellationToken);
            json = blob.Value.Content.ToString();
        }

        return JsonSerializer.Deserialize<JobRequest>(json, JobJson.Options)
            ?? throw new InvalidDataException($"job {job.Id} has no request");
    }

    /// <summary>Writes the result unless the job has one, and gives the one that stands.</summary>
    public async Task<JobResult> AddResultAsync(Job job, JobResult result, CancellationToken cancellationToken)
    {
        try
        {
            var options = new BlobUploadOptions
            {
                Conditions = new BlobRequestConditions { IfNoneMatch = ETag.All },
                HttpHeaders = new BlobHttpHeaders { ContentType = "application/json" },
            };
            await _results.GetBlobClient(BlobName(job)).UploadAsync(
                BinaryData.FromObjectAsJson(result, JobJson.Options), options, cancellationToken);
            return result;
        }
        catch (RequestFailedException e) when (e.Status is 409 or 412)
        {
            return await FindResultAsync(job, cancellationToken)
                ?? throw new InvalidOperationException($"the result of job {result.Id} was deleted while it was being written", e);
        }
    }

    public Task<JobResult?> FindResultAsync(Job job, CancellationToken cancellationToken) =>
        ReadAsync<JobResult>(_results, job, cancellationToken);

    internal BlobClient ResultBlob(Job job) => _results.GetBlobClient(BlobName(job));

    public Uri ResultAddress(Job job) => _results.GetBlobClient(BlobName(job)).Uri;

    /// <summary>The blob of a run's checkpoint, for the run that <paramref name="owner"/> names.</summary>
    internal RunBlob RunBlob(Job job, string owner) => new(_progress.GetBlobClient(CheckpointName(job)), owner);

    /// <summary>How far the run of a job is.</summary>
    public async Task<JobProgress?> FindProgressAsync(Job job, CancellationToken cancellationToken)
    {
        try
        {
            var blob = await _progress.GetBlobClient(CheckpointName(job)).DownloadContentAsync(cancellationToken);
            return CheckpointFormat.Read(blob.Value.Content) is [{ CompletionTokens: > 0 } run] ? new JobProgress(run.Text, run.CompletionTokens) : null;
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return null;
        }
    }

    public async Task DeleteProgressAsync(Job job, CancellationToken cancellationToken) =>
        await _progress.GetBlobClient(CheckpointName(job)).DeleteIfExistsAsync(cancellationToken: cancellationToken);

    /// <summary>A blob of the caller's, whole; null when there is none.</summary>
    public async Task<InputBlob?> FindInputAsync(string container, string name, int maxBytes, CancellationToken cancellationToken)
    {
        try
        {
            var blob = clients.Blobs.GetBlobContainerClient(container).GetBlobClient(name);
            var properties = (await blob.GetPropertiesAsync(cancellationToken: cancellationToken)).Value;
            if (properties.ContentLength > maxBytes)
            {
                throw new InvalidJobException(
                    JobErrorCode.PromptTooLong, $"input_blob must be at most {maxBytes} bytes, was {properties.ContentLength}",
                    "input_blob");
            }

            var content = (await blob.DownloadContentAsync(cancellationToken)).Value.Content.ToMemory();
            var isJson = name.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
                || properties.ContentType.Contains("json", StringComparison.OrdinalIgnoreCase);
            return new InputBlob(content, isJson);
        }
        catch (RequestFailedException e) when (e.Status is 400 or 404)
        {
            return null;
        }
    }

    /// <summary>What was made in a span of time, oldest first; possibly an entry of a job that never came to be.</summary>
    public IAsyncEnumerable<Expiry> ListMadeAsync(DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken) =>
        _expiries.ListAsync(ExpiryKind, from, until, cancellationToken);

    /// <summary>How many jobs of the tenant are younger than <paramref name="since"/>; <paramref name="most"/> where they are as many.</summary>
    public async Task<int> CountMadeSinceAsync(string tenant, DateTimeOffset since, int most, CancellationToken cancellationToken)
    {
        var oldest = string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.MaxValue.Ticks - since.UtcTicks:D19}");
        var filter = TableClient.CreateQueryFilter($"PartitionKey eq {ListPartition(tenant)} and RowKey lt {oldest}");
        return await _rows.QueryAsync<TableEntity>(filter, select: ["RowKey"], cancellationToken: cancellationToken).Take(most).CountAsync(cancellationToken);
    }

    /// <summary>Up to where <see cref="JobSweep"/> has looked.</summary>
    public async Task<SweepMark> FindSweepMarkAsync(DateTimeOffset standard, CancellationToken cancellationToken)
    {
        var mark = await _rows.GetEntityIfExistsAsync<SweepMark>(SweepMark.Partition, SweepMark.Row, cancellationToken: cancellationToken);
        return mark.HasValue ? mark.Value! : new SweepMark { At = standard };
    }

    /// <summary>Notes how far it is now, unless another was faster.</summary>
    public async Task TryWriteSweepMarkAsync(SweepMark mark, CancellationToken cancellationToken)
    {
        try
        {
            _ = mark.ETag == default
                ? await _rows.AddEntityAsync(mark, cancellationToken)
                : await _rows.UpdateEntityAsync(mark, mark.ETag, TableUpdateMode.Replace, cancellationToken);
        }
        catch (RequestFailedException e) when (e.Status is 409 or 412)
        {
            // The other's mark is as good.
        }
    }

    /// <summary>The tenant's jobs, newest first, from the one after <paramref name="after"/>.</summary>
    public async IAsyncEnumerable<Job> ListAsync(string tenant, Job? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var filter = TableClient.CreateQueryFilter(
            $"PartitionKey eq {ListPartition(tenant)} and RowKey gt {(after is null ? "" : ListKey(after))}");
        await foreach (var entry in _rows.QueryAsync<TableEntity>(filter, select: ["RowKey"], cancellationToken: cancellationToken))
        {
            if (await FindAsync(entry.RowKey[20..], tenant, cancellationToken) is { } job)
            {
                yield return job;
            }
        }
    }

    private async Task<Job?> FindAsync(string name, CancellationToken cancellationToken)
    {
        var row = await _rows.GetEntityIfExistsAsync<Job>(name, Job.Row, cancellationToken: cancellationToken);
        return row.HasValue ? row.Value! with { ReadAt = row.GetRawResponse().Headers.Date } : null;
    }

    private async Task<Job> InsertAsync(Job job, JobRequest? request, CancellationToken cancellationToken)
    {
        await _expiries.AddAsync(ExpiryKind, job.Tenant, job.Id, job.CreatedAt, cancellationToken);
        var json = JsonSerializer.Serialize(request, JobJson.Options);
        if (json.Length > LongestInlineRequest)
        {
            // Before the row, which is what makes the job exist: a crash between them leaves a blob that nobody reads.
            await RequestBlob(job.Tenant, job.Id).UploadAsync(BinaryData.FromString(json), overwrite: true, cancellationToken);
        }
        else
        {
            job = job with { Request = json };
        }

        try
        {
            var added = await _rows.AddEntityAsync(job, cancellationToken);
            return job with { ETag = added.Headers.ETag.GetValueOrDefault() };
        }
        catch (RequestFailedException e) when (e.Status == 409)
        {
            return await FindAsync(job.PartitionKey, cancellationToken)
                ?? throw new InvalidOperationException($"job {job.Id} was deleted while it was being submitted", e);
        }
    }

    /// <summary>Deletes what there is of a job beside its row.</summary>
    internal async Task DeleteBlobsAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        await RequestBlob(tenant, id).DeleteIfExistsAsync(cancellationToken: cancellationToken);
        await _progress.GetBlobClient(CheckpointName(tenant, id)).DeleteIfExistsAsync(cancellationToken: cancellationToken);
        await _results.GetBlobClient(BlobName(tenant, id)).DeleteIfExistsAsync(cancellationToken: cancellationToken);
    }

    /// <summary>Deletes the row unless somebody wrote it since it was read; false then.</summary>
    internal async Task<bool> TryDeleteAsync(Job job, CancellationToken cancellationToken)
    {
        try
        {
            await _rows.DeleteEntityAsync(ListPartition(job.Tenant), ListKey(job), ETag.All, cancellationToken);
            await _rows.DeleteEntityAsync(job.PartitionKey, job.RowKey, job.ETag, cancellationToken);
            return true;
        }
        catch (RequestFailedException e) when (e.Status == 412)
        {
            return false;
        }
    }

    // Not among the callers' own blobs, which it could replace. No tenant's name, nor id, begins so.
    private BlobClient RequestBlob(string tenant, string id) => _results.GetBlobClient($"_requests/{BlobName(tenant, id)}");

    // One partition lists all jobs of a tenant; its keys fall with time, so that the newest comes first. No job's id has its space.
    private static string ListPartition(string tenant) => $"newest {tenant}";

    // As a job's name, with a folder for each tenant but the default one.
    private static string BlobName(string tenant, string id) => $"{(tenant == Access.Caller.DefaultTenant ? "" : $"{tenant}/")}{id}.json";

    private static string BlobName(Job job) => BlobName(job.Tenant, job.Id);

    private static string CheckpointName(Job job) => CheckpointName(job.Tenant, job.Id);

    private static string CheckpointName(string tenant, string id) => Path.ChangeExtension(BlobName(tenant, id), "checkpoint");

    private static string ListKey(Job job) =>
        string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.MaxValue.Ticks - job.CreatedAt.Ticks:D19}_{job.Id}");

    private static async Task<T?> ReadAsync<T>(BlobContainerClient container, Job job, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            var blob = await container.GetBlobClient(BlobName(job)).DownloadContentAsync(cancellationToken);
            return blob.Value.Content.ToObjectFromJson<T>(JobJson.Options);
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return null;
        }
    }
}

/// <summary>What a caller's blob held.</summary>
public sealed record InputBlob(ReadOnlyMemory<byte> Content, bool IsJson);
