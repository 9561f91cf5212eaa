using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Retention;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Audit;

/// <summary>
/// Who asked for what, when, and how it ended: a row per request in table <c>audit</c>, partitioned by tenant and day, in order of time.
/// The keys of a job's row follow from the job, so writing it again changes nothing. Kept apart from the jobs, whose rows may be deleted.
/// </summary>
public sealed class AuditLog(StorageClients clients, IOptions<AuditOptions> options, TimeProvider time)
{
    public const string AuditTable = "audit";
    internal const string ExpiryKind = "audit";
    private const int LongestPrompt = 30_000;
    private const int MostInTransaction = 100;
    private const string Day = "yyyy-MM-dd";

    private readonly TableClient _rows = clients.Tables.GetTableClient(AuditTable);
    private readonly ExpiryIndex _expiries = new(clients);

    // Days, of a tenant each, whose entry in the index this process has seen to.
    private readonly ConcurrentDictionary<string, DateTimeOffset> _indexed = new(StringComparer.Ordinal);

    public Task RequestedAsync(Job job, JobRequest? request, CancellationToken cancellationToken)
    {
        var row = new TableEntity(PartitionOf(job.Tenant, job.CreatedAt), RowOf(job.CreatedAt, job.Id))
        {
            ["Kind"] = "submit",
            ["JobId"] = job.Id,
            ["Tenant"] = job.Tenant,
            ["Caller"] = job.Caller,
            ["RequestId"] = job.RequestId,
            ["Route"] = job.Route,
            ["At"] = job.CreatedAt,
            ["Model"] = job.Model,
            ["PromptSha256"] = job.PromptSha256,
            ["PromptCharacters"] = job.PromptCharacters,
            ["Seed"] = job.Seed,
            ["Parameters"] = request is null ? null : ParametersOf(request),
        };
        if (options.Value.IncludePrompt && request is not null)
        {
            var prompt = request.Prompt ?? JsonSerializer.Serialize<object?>(request.Messages ?? (object?)request.PromptTokenIds, JobJson.Options);
            row["Prompt"] = prompt.Length <= LongestPrompt ? prompt : prompt[..LongestPrompt];
        }

        return WriteAsync(row, cancellationToken);
    }

    public Task FinishedAsync(Job job, CancellationToken cancellationToken) => WriteAsync(
        new TableEntity(PartitionOf(job.Tenant, job.CreatedAt), RowOf(job.CreatedAt, job.Id))
        {
            ["Outcome"] = job.State.ToString(),
            ["Model"] = job.Model,
            ["FinishedAt"] = job.FinishedAt,
            ["FinishReason"] = job.FinishReason,
            ["PromptTokens"] = job.PromptTokens,
            ["CompletionTokens"] = job.CompletionTokens,
            ["DurationSeconds"] = (job.FinishedAt - job.CreatedAt)?.TotalSeconds,
            ["Attempts"] = job.Attempts,
            ["ErrorCode"] = job.ErrorCode,
        },
        cancellationToken);

    public Task RefusedAsync(Caller caller, string route, InvalidJobException error, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        return WriteAsync(
            new TableEntity(PartitionOf(caller.Tenant, now), RowOf(now, $"refused_{Guid.CreateVersion7(now):N}"))
            {
                ["Kind"] = "submit",
                ["Tenant"] = caller.Tenant,
                ["Caller"] = caller.Name,
                ["RequestId"] = caller.RequestId,
                ["Route"] = route,
                ["At"] = now,
                ["Outcome"] = "Refused",
                ["ErrorCode"] = error.Code,
                ["ErrorParam"] = error.Param,
            },
            cancellationToken);
    }

    public Task CancelledAsync(Job job, Caller caller, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        return WriteAsync(
            new TableEntity(PartitionOf(job.Tenant, now), RowOf(now, $"cancel_{job.Id}"))
            {
                ["Kind"] = "cancel",
                ["JobId"] = job.Id,
                ["Tenant"] = job.Tenant,
                ["Caller"] = caller.Name,
                ["RequestId"] = caller.RequestId,
                ["At"] = now,
            },
            cancellationToken);
    }

    public Task BatchRequestedAsync(BatchRow batch, CancellationToken cancellationToken) => WriteAsync(
        new TableEntity(PartitionOf(batch.Tenant, batch.CreatedAt), RowOf(batch.CreatedAt, batch.Id))
        {
            ["Kind"] = "batch",
            ["BatchId"] = batch.Id,
            ["Tenant"] = batch.Tenant,
            ["Caller"] = batch.Caller,
            ["RequestId"] = batch.RequestId,
            ["Route"] = "POST /v1/batches",
            ["At"] = batch.CreatedAt,
            ["Input"] = batch.InputFileId ?? batch.InputBlob,
        },
        cancellationToken);

    public Task BatchEndedAsync(BatchRow batch, CancellationToken cancellationToken) => WriteAsync(
        new TableEntity(PartitionOf(batch.Tenant, batch.CreatedAt), RowOf(batch.CreatedAt, batch.Id))
        {
            ["Outcome"] = batch.State.ToString(),
            ["Model"] = batch.Model,
            ["FinishedAt"] = batch.EndedAt,
            ["Lines"] = batch.Lines,
            ["Succeeded"] = batch.Succeeded,
            ["PromptTokens"] = batch.InputTokens,
            ["CompletionTokens"] = batch.OutputTokens,
        },
        cancellationToken);

    /// <summary>Deletes a partition: what a tenant did on one day.</summary>
    internal async Task DeleteDayAsync(string partition, CancellationToken cancellationToken)
    {
        var rows = _rows.QueryAsync<TableEntity>(TableClient.CreateQueryFilter($"PartitionKey eq {partition}"), select: ["PartitionKey", "RowKey"], cancellationToken: cancellationToken);
        await foreach (var some in rows.Chunk(MostInTransaction).WithCancellation(cancellationToken))
        {
            try
            {
                await _rows.SubmitTransactionAsync(some.Select(row => new TableTransactionAction(TableTransactionActionType.Delete, row, ETag.All)), cancellationToken);
            }
            catch (RequestFailedException e) when (e.Status == 404)
            {
                // Another sweeper deletes the same rows, and a transaction is all or nothing.
                foreach (var row in some)
                {
                    await _rows.DeleteEntityAsync(row.PartitionKey, row.RowKey, ETag.All, cancellationToken);
                }
            }
        }
    }

    private async Task WriteAsync(TableEntity row, CancellationToken cancellationToken)
    {
        await IndexAsync(row.PartitionKey, cancellationToken);
        await _rows.UpsertEntityAsync(row, TableUpdateMode.Merge, cancellationToken);
    }

    // Once a day for each tenant; each time for days past, which may have been swept.
    private async Task IndexAsync(string partition, CancellationToken cancellationToken)
    {
        var day = DateTimeOffset.ParseExact(partition.AsSpan(partition.Length - Day.Length), Day, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        var isRecent = time.GetUtcNow() - day < TimeSpan.FromDays(2);
        if (isRecent && _indexed.ContainsKey(partition))
        {
            return;
        }

        await _expiries.AddAsync(ExpiryKind, partition[..^(Day.Length + 1)], partition, day, cancellationToken);
        if (isRecent)
        {
            foreach (var past in _indexed.Where(pair => pair.Value < day.AddDays(-1)))
            {
                _indexed.TryRemove(past);
            }

            _indexed[partition] = day;
        }
    }

    private static string ParametersOf(JobRequest request)
    {
        // Stop strings and the like are text of the caller's, as the prompt is: only their number is kept.
        var given = request.Parameters;
        var parameters = JsonSerializer.SerializeToNode(
            given with { Stop = null, BadWords = null, DrySequenceBreakers = null }, JobJson.Options)!.AsObject();
        foreach (var (name, texts) in new[] { ("stop_strings", given.Stop), ("bad_words", given.BadWords), ("dry_sequence_breakers", given.DrySequenceBreakers) })
        {
            if (texts is not null)
            {
                parameters[name] = texts.Count;
            }
        }

        return parameters.ToJsonString(JobJson.Options);
    }

    private static string PartitionOf(string tenant, DateTimeOffset day) =>
        string.Create(CultureInfo.InvariantCulture, $"{tenant}_{day.ToString(Day, CultureInfo.InvariantCulture)}");

    private static string RowOf(DateTimeOffset at, string id) => string.Create(CultureInfo.InvariantCulture, $"{at:HHmmss.fffffff}_{id}");
}
