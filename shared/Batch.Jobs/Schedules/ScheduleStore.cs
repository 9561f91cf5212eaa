using System.Runtime.CompilerServices;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Retention;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Schedules;

/// <summary>Schedules and their runs, in two tables. Changes go under the row's ETag, so that of several replicas one wins.</summary>
public sealed class ScheduleStore(StorageClients clients)
{
    public const string SchedulesTable = "schedules";
    public const string RunsTable = "scheduleruns";

    internal const string RunExpiryKind = "run";

    private readonly TableClient _schedules = clients.Tables.GetTableClient(SchedulesTable);
    private readonly TableClient _runs = clients.Tables.GetTableClient(RunsTable);
    private readonly ExpiryIndex _expiries = new(clients);

    internal IdempotencyKeys Keys { get; } = new(clients);

    public async Task<Schedule> AddAsync(Schedule schedule, CancellationToken cancellationToken)
    {
        try
        {
            var response = await _schedules.AddEntityAsync(schedule, cancellationToken);
            return schedule with { ETag = response.Headers.ETag!.Value };
        }
        catch (RequestFailedException e) when (e.Status == 409)
        {
            return (await FindAsync(schedule.Tenant, schedule.Id, cancellationToken))!;
        }
    }

    public async Task<Schedule?> FindAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        var row = await _schedules.GetEntityIfExistsAsync<Schedule>(tenant, id, cancellationToken: cancellationToken);
        return row.HasValue ? row.Value : null;
    }

    public IAsyncEnumerable<Schedule> ListAsync(string tenant, CancellationToken cancellationToken) =>
        _schedules.QueryAsync<Schedule>(TableClient.CreateQueryFilter($"PartitionKey eq {tenant}"), cancellationToken: cancellationToken);

    /// <summary>Those of any tenant whose next tick has come and that nobody works on.</summary>
    public async IAsyncEnumerable<Schedule> DueAsync(DateTimeOffset now, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var filter = TableClient.CreateQueryFilter($"Paused eq {false} and NextRunAt le {now}");
        await foreach (var schedule in _schedules.QueryAsync<Schedule>(filter, cancellationToken: cancellationToken))
        {
            if (!(schedule.ClaimedUntil > now))
            {
                yield return schedule;
            }
        }
    }

    /// <summary>The row as written; null where somebody else changed or deleted it first.</summary>
    public async Task<Schedule?> TryUpdateAsync(Schedule schedule, CancellationToken cancellationToken)
    {
        try
        {
            var response = await _schedules.UpdateEntityAsync(schedule, schedule.ETag, TableUpdateMode.Replace, cancellationToken);
            return schedule with { ETag = response.Headers.ETag!.Value };
        }
        catch (RequestFailedException e) when (e.Status is 404 or 412)
        {
            return null;
        }
    }

    /// <summary>Also deletes its history; what it submitted stays.</summary>
    public async Task DeleteAsync(Schedule schedule, CancellationToken cancellationToken)
    {
        await _schedules.DeleteEntityAsync(schedule.Tenant, schedule.Id, ETag.All, cancellationToken);
        await foreach (var run in _runs.QueryAsync<ScheduleRun>(TableClient.CreateQueryFilter($"PartitionKey eq {schedule.Id}"), cancellationToken: cancellationToken))
        {
            await _runs.DeleteEntityAsync(run.PartitionKey, run.RowKey, ETag.All, cancellationToken);
        }
    }

    public async Task WriteRunAsync(ScheduleRun run, CancellationToken cancellationToken)
    {
        await _expiries.AddAsync(RunExpiryKind, run.PartitionKey, run.RowKey, run.StartedAt, cancellationToken);
        await _runs.UpsertEntityAsync(run, TableUpdateMode.Replace, cancellationToken);
    }

    internal async Task DeleteRunAsync(string scheduleId, string rowKey, CancellationToken cancellationToken) =>
        await _runs.DeleteEntityAsync(scheduleId, rowKey, ETag.All, cancellationToken);

    public async Task<ScheduleRun?> FindRunAsync(string scheduleId, string rowKey, CancellationToken cancellationToken)
    {
        var row = await _runs.GetEntityIfExistsAsync<ScheduleRun>(scheduleId, rowKey, cancellationToken: cancellationToken);
        return row.HasValue ? row.Value : null;
    }

    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<ScheduleRun>> RunsAsync(string scheduleId, int limit, CancellationToken cancellationToken) =>
        await _runs.QueryAsync<ScheduleRun>(TableClient.CreateQueryFilter($"PartitionKey eq {scheduleId}"), maxPerPage: limit, cancellationToken: cancellationToken)
            .Take(limit).ToListAsync(cancellationToken);
}
