using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Jobs.Access;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Schedules;

/// <summary>What the owner of schedules does with them. Another tenant's are not found.</summary>
public sealed class ScheduleControl(ScheduleStore store, RowsReader rows, InputReader inputs, ScheduleRunner runner, TimeProvider time)
{
    /// <summary>The same <paramref name="idempotencyKey"/> gives the same schedule; another definition under it is a conflict.</summary>
    public async Task<Schedule> CreateAsync(ReadOnlyMemory<byte> body, string? idempotencyKey, Caller caller, CancellationToken cancellationToken)
    {
        using var json = JobRequestParser.ReadJson(body);
        var definition = await CheckedAsync(ScheduleDefinition.Parse(json.RootElement), cancellationToken);
        var now = time.GetUtcNow();
        var text = Fits(json.RootElement.GetRawText());
        var id = $"sched_{RandomNumberGenerator.GetHexString(24, lowercase: true)}";
        return await store.AddAsync(
            new Schedule
            {
                PartitionKey = caller.Tenant,
                RowKey = await store.Keys.ReserveAsync(caller.Tenant, "schedules", idempotencyKey, IdempotencyKeys.FingerprintOf(text), id, now, cancellationToken),
                Definition = text,
                CreatedAt = now,
                NextRunAt = definition.NextAfter(now),
            },
            cancellationToken);
    }

    /// <summary>Lays the given fields over the definition; a field of null goes back to its default. <c>paused</c> stops and starts it.</summary>
    public async Task<Schedule> UpdateAsync(string id, ReadOnlyMemory<byte> body, Caller caller, CancellationToken cancellationToken)
    {
        using var json = JobRequestParser.ReadJson(body);
        _ = JsonField.Fields(json.RootElement);
        while (true)
        {
            var schedule = await GetAsync(id, caller, cancellationToken);
            var changed = await ChangedAsync(schedule, json.RootElement, cancellationToken);
            if (await store.TryUpdateAsync(changed, cancellationToken) is { } written)
            {
                return written;
            }
        }
    }

    public async Task<Schedule> GetAsync(string id, Caller caller, CancellationToken cancellationToken) =>
        (JsonField.IsName(id) ? await store.FindAsync(caller.Tenant, id, cancellationToken) : null)
        ?? throw new InvalidJobException(JobErrorCode.ScheduleNotFound, $"no schedule {JsonField.Quote(id)} belongs to this tenant");

    public async Task<IReadOnlyList<Schedule>> ListAsync(Caller caller, CancellationToken cancellationToken) =>
        [.. (await store.ListAsync(caller.Tenant, cancellationToken).ToListAsync(cancellationToken)).OrderByDescending(schedule => schedule.CreatedAt)];

    public async Task<Schedule> DeleteAsync(string id, Caller caller, CancellationToken cancellationToken)
    {
        var schedule = await GetAsync(id, caller, cancellationToken);
        await store.DeleteAsync(schedule, cancellationToken);
        return schedule;
    }

    public async Task<ScheduleRun> RunNowAsync(string id, string? idempotencyKey, Caller caller, CancellationToken cancellationToken)
    {
        var schedule = await GetAsync(id, caller, cancellationToken);
        var now = time.GetUtcNow();
        var run = ScheduleRun.RowKeyOf(now, $"manual_{RandomNumberGenerator.GetHexString(16, lowercase: true)}");
        run = await store.Keys.ReserveAsync(caller.Tenant, $"schedules/{id}/run", idempotencyKey, fingerprint: "", run, now, cancellationToken);
        return await store.FindRunAsync(schedule.Id, run, cancellationToken) ?? await runner.RunNowAsync(schedule, run, cancellationToken);
    }

    public async Task<IReadOnlyList<ScheduleRun>> RunsAsync(string id, int limit, Caller caller, CancellationToken cancellationToken) =>
        await store.RunsAsync((await GetAsync(id, caller, cancellationToken)).Id, limit, cancellationToken);

    private async Task<Schedule> ChangedAsync(Schedule schedule, JsonElement given, CancellationToken cancellationToken)
    {
        var (definition, paused, touched) = (JsonNode.Parse(schedule.Definition)!.AsObject(), schedule.Paused, false);
        foreach (var field in given.EnumerateObject())
        {
            if (field.Name == "paused")
            {
                paused = JsonField.Boolean(field);
                continue;
            }

            touched = true;
            definition[field.Name] = JsonSerializer.SerializeToNode(field.Value);
        }

        var parsed = ScheduleDefinition.Parse(JsonSerializer.SerializeToElement(definition));
        if (touched)
        {
            await CheckedAsync(parsed, cancellationToken);
        }

        // Ticks that passed while it was paused are nobody's.
        return schedule with
        {
            Definition = touched ? Fits(definition.ToJsonString(JobJson.Options)) : schedule.Definition,
            Paused = paused,
            NextRunAt = touched || schedule.Paused ? parsed.NextAfter(time.GetUtcNow()) : schedule.NextRunAt,
        };
    }

    // A first run on trial: what would be refused then is refused now, while its owner looks.
    private async Task<ScheduleDefinition> CheckedAsync(ScheduleDefinition definition, CancellationToken cancellationToken)
    {
        var now = TimeZoneInfo.ConvertTime(time.GetUtcNow(), definition.FindZone());
        var values = new TemplateValues(now, 1, definition.Variables);
        if (definition.RowsBlob is { } address)
        {
            var first = await FirstRowAsync(address, cancellationToken);
            if (first is null)
            {
                return definition; // the blob comes later
            }

            values = values with { Row = first, RowNumber = 1 };
        }

        inputs.RequireModel((definition.Batch is null ? await JobOfAsync(definition.Job!, values, cancellationToken) : ScheduledBatch.Check(definition, values)).Model);
        return definition;
    }

    private async Task<JobRequest> JobOfAsync(JsonObject job, TemplateValues values, CancellationToken cancellationToken)
    {
        using var json = JobRequestParser.ReadJson(ScheduleTemplate.Compile(job).Render(values));
        return await inputs.ReadAsync(json.RootElement, cancellationToken);
    }

    private async Task<IReadOnlyDictionary<string, string>?> FirstRowAsync(string address, CancellationToken cancellationToken)
    {
        try
        {
            return await rows.ReadAsync(address, most: 1_000_000, cancellationToken).FirstOrDefaultAsync(cancellationToken);
        }
        catch (InvalidJobException e) when (e.Code == JobErrorCode.InputNotFound)
        {
            return null;
        }
    }

    // A table's property holds 32 Ki characters.
    private static string Fits(string definition) => definition.Length <= 32_000
        ? definition
        : throw new InvalidJobException(
            JobErrorCode.InvalidRequest, $"a schedule's definition must be at most 32000 characters, was {definition.Length}; put a long prompt into a blob and name it in job.input_blob");
}
