using System.Globalization;
using System.Text.Json;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Schedules;

/// <summary>
/// Runs what is due. Any number of replicas may tick at once: a tick's jobs have ids that follow from schedule, tick and row, its batch one of schedule and tick, so handing
/// them in again makes no second one, and the schedule's row moves on under its ETag.
/// </summary>
public sealed partial class ScheduleRunner(
    ScheduleStore store, RowsReader rows, JobIntake intake, ScheduledBatch batches, TimeProvider time, ILogger<ScheduleRunner> logger)
{
    /// <summary>A tick that is older was missed.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(5);

    // Longer than a run takes between two renewals; after a crash the run is taken up again when it ends.
    private static readonly TimeSpan Claim = TimeSpan.FromMinutes(2);
    private const int RowsPerRenewal = 200;
    private const int MostRows = 10_000;

    public async Task RunDueAsync(CancellationToken cancellationToken)
    {
        await foreach (var schedule in store.DueAsync(time.GetUtcNow(), cancellationToken))
        {
            if (await ClaimAsync(schedule, cancellationToken) is { } claimed)
            {
                await RunTickAsync(claimed, cancellationToken);
            }
        }
    }

    /// <summary>A run by hand, beside the schedule's times; the same <paramref name="rowKey"/> is the same run, with the same time in it.</summary>
    public async Task<ScheduleRun> RunNowAsync(Schedule schedule, string rowKey, CancellationToken cancellationToken)
    {
        var (scheduledFor, id) = ScheduleRun.Read(rowKey);
        var claimed = schedule.ClaimedUntil > time.GetUtcNow() ? null : await ClaimAsync(schedule, cancellationToken);
        if (claimed is null)
        {
            throw new InvalidJobException(JobErrorCode.ScheduleBusy, $"schedule {schedule.Id} is running or was changed this moment; try again in a minute");
        }

        var (run, last) = await SubmitAsync(claimed, scheduledFor, id, missed: 0, cancellationToken);
        await FinishAsync(last, run, last.NextRunAt, cancellationToken);
        return run;
    }

    private async Task RunTickAsync(Schedule schedule, CancellationToken cancellationToken)
    {
        var definition = Read(schedule);
        var now = time.GetUtcNow();
        var (tick, next, missed) = Latest(definition, schedule.NextRunAt!.Value, now);
        var late = now - tick > Grace;
        var id = tick.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        if (late && definition.Misfire == MisfirePolicy.Skip)
        {
            await FinishAsync(schedule, Begin(schedule, tick, id, missed) with { State = ScheduleRunState.Skipped }, next, cancellationToken);
            return;
        }

        var (run, last) = await SubmitAsync(schedule, tick, id, missed, cancellationToken);
        await FinishAsync(last, run, next, cancellationToken);
    }

    // The last tick that has come, the one after it, and how many lie before it.
    private static (DateTimeOffset Tick, DateTimeOffset? Next, int Missed) Latest(ScheduleDefinition definition, DateTimeOffset tick, DateTimeOffset now)
    {
        var missed = 0;
        var next = definition.NextAfter(tick);
        for (; next <= now; next = definition.NextAfter(tick))
        {
            (tick, missed) = (next.Value, missed + 1);
        }

        return (tick, next, missed);
    }

    private async Task<(ScheduleRun Run, Schedule Last)> SubmitAsync(
        Schedule schedule, DateTimeOffset tick, string id, int missed, CancellationToken cancellationToken)
    {
        var run = Begin(schedule, tick, id, missed);
        try
        {
            var definition = Read(schedule);
            var values = new TemplateValues(TimeZoneInfo.ConvertTime(tick, definition.FindZone()), run.Number, definition.Variables);
            if (definition.Batch is not null)
            {
                run = await batches.SubmitAsync(schedule, definition, run, values, RenewAsync, cancellationToken);
                return (run, schedule);
            }

            if (definition.WebhookUrl is { } webhook && !definition.Job!.ContainsKey("webhook_url"))
            {
                definition.Job["webhook_url"] = webhook;
            }

            var template = ScheduleTemplate.Compile(definition.Job!);
            if (definition.RowsBlob is not { } address)
            {
                return (await SubmitOneAsync(schedule, run, template, values, cancellationToken), schedule);
            }

            var number = 0;
            await foreach (var row in rows.ReadAsync(address, MostRows, cancellationToken))
            {
                run = await SubmitOneAsync(schedule, run, template, values with { Row = row, RowNumber = ++number }, cancellationToken);
                if (number % RowsPerRenewal == 0)
                {
                    await RenewAsync();
                }
            }

            return (number > 0 ? run : run with { State = ScheduleRunState.Failed, Error = "rows_blob holds no row" }, schedule);
        }
        catch (InvalidJobException e)
        {
            return (run with { State = ScheduleRunState.Failed, Error = e.Message }, schedule);
        }

        async Task RenewAsync() => schedule = await ClaimAsync(schedule, cancellationToken) ?? schedule;
    }

    private async Task<ScheduleRun> SubmitOneAsync(
        Schedule schedule, ScheduleRun run, ScheduleTemplate template, TemplateValues values, CancellationToken cancellationToken)
    {
        var key = $"{schedule.Id}:{run.Id}:{values.RowNumber}";
        try
        {
            var caller = new Caller(schedule.Tenant, ApiScopes.Submit, schedule.Id);
            var job = await intake.SubmitAsync(template.Render(values), key, caller, "schedule", cancellationToken);
            return run with { Jobs = run.Jobs + 1, FirstJobId = run.FirstJobId ?? job.Id };
        }
        catch (InvalidJobException e) when (e.Code == JobErrorCode.IdempotencyConflict)
        {
            // This run made the job before it was cut off; the schedule or its rows were changed in between.
            return run with { Jobs = run.Jobs + 1 };
        }
        catch (InvalidJobException e)
        {
            var where = values.RowNumber > 0 ? $"row {values.RowNumber}: " : "";
            return run with
            {
                State = run.Jobs > 0 || values.Row is not null ? run.State : ScheduleRunState.Failed,
                Refused = run.Refused + 1,
                Error = run.Error ?? where + e.Message,
            };
        }
    }

    // Of the replicas that see the schedule due, the one whose write comes first takes the tick.
    private Task<Schedule?> ClaimAsync(Schedule schedule, CancellationToken cancellationToken) =>
        store.TryUpdateAsync(schedule with { ClaimedUntil = time.GetUtcNow() + Claim }, cancellationToken);

    private async Task FinishAsync(Schedule schedule, ScheduleRun run, DateTimeOffset? next, CancellationToken cancellationToken)
    {
        run = run.State == ScheduleRunState.Submitted && run is { Jobs: 0, Lines: 0, Refused: > 0 } ? run with { State = ScheduleRunState.Failed } : run;

        // Checkpoint: the run. A crash before the schedule moves on runs the tick again, to the same jobs and the same row.
        await store.WriteRunAsync(run, cancellationToken);
        var ran = run.State != ScheduleRunState.Skipped;
        var moved = schedule with { NextRunAt = next, ClaimedUntil = null, Runs = ran ? run.Number : schedule.Runs, LastRunAt = ran ? run.ScheduledFor : schedule.LastRunAt };
        if (await store.TryUpdateAsync(moved, cancellationToken) is null && await store.FindAsync(schedule.Tenant, schedule.Id, cancellationToken) is { } changed)
        {
            // Its owner changed it meanwhile: the new definition says when it is next.
            var after = changed.NextRunAt > run.ScheduledFor ? changed.NextRunAt : Read(changed).NextAfter(run.ScheduledFor);
            await store.TryUpdateAsync(changed with { NextRunAt = after, ClaimedUntil = null, Runs = moved.Runs, LastRunAt = moved.LastRunAt }, cancellationToken);
        }

        LogRan(schedule.Id, run.State, run.Jobs, run.BatchId, run.Lines, run.Refused, run.Missed);
    }

    private ScheduleRun Begin(Schedule schedule, DateTimeOffset tick, string id, int missed) => new()
    {
        PartitionKey = schedule.Id,
        RowKey = ScheduleRun.RowKeyOf(tick, id),
        Id = id,
        ScheduledFor = tick,
        StartedAt = time.GetUtcNow(),
        Number = schedule.Runs + 1,
        Missed = missed,
    };

    internal static ScheduleDefinition Read(Schedule schedule)
    {
        using var json = JsonDocument.Parse(schedule.Definition);
        return ScheduleDefinition.Parse(json.RootElement);
    }

    [LoggerMessage(LogLevel.Information, "Schedule {ScheduleId} ran: {State}, {Jobs} jobs, batch {BatchId} of {Lines} lines, {Refused} refused, {Missed} ticks missed before")]
    private partial void LogRan(string scheduleId, ScheduleRunState state, int jobs, string? batchId, int lines, int refused, int missed);
}
