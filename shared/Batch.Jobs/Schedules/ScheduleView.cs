using System.Text.Json;
using System.Text.Json.Serialization;

namespace Batch.Jobs.Schedules;

/// <summary>A schedule as its owner sees it, with the next times it will run.</summary>
/// <param name="Id">sched_ and an id.</param>
/// <param name="Kind">Always schedule.</param>
/// <param name="Definition">What its owner gave.</param>
/// <param name="Paused">No tick makes a run while it is true.</param>
/// <param name="Runs">How many there were.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="LastRunAt">The tick of the last run.</param>
/// <param name="NextRuns">The next times, ISO 8601 on the zone's clock; none while it is paused.</param>
public sealed record ScheduleView(
    string Id,
    [property: JsonPropertyName("object")] string Kind,
    JsonElement Definition,
    bool Paused,
    int Runs,
    long CreatedAt,
    long? LastRunAt,
    IReadOnlyList<string> NextRuns)
{
    private const int Shown = 5;

    public static ScheduleView Of(Schedule schedule)
    {
        var definition = ScheduleRunner.Read(schedule);
        var (zone, next) = (definition.FindZone(), new List<string>());
        for (var tick = schedule.Paused ? null : schedule.NextRunAt; tick is { } at && next.Count < Shown; tick = definition.NextAfter(at))
        {
            next.Add(TimeZoneInfo.ConvertTime(at, zone).ToString("yyyy-MM-ddTHH:mm:sszzz", System.Globalization.CultureInfo.InvariantCulture));
        }

        return new ScheduleView(
            schedule.Id, "schedule", JsonElement.Parse(schedule.Definition), schedule.Paused, schedule.Runs, schedule.CreatedAt.ToUnixTimeSeconds(),
            schedule.LastRunAt?.ToUnixTimeSeconds(), next);
    }
}

/// <summary>One run of a schedule as its owner sees it.</summary>
/// <param name="Id">run_ and an id.</param>
/// <param name="Kind">Always schedule.run.</param>
/// <param name="ScheduleId">Whose run.</param>
/// <param name="Number">From 1.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="ScheduledFor">The tick.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="Jobs">Jobs that were handed in.</param>
/// <param name="Refused">Rows whose job was refused.</param>
/// <param name="Missed">Ticks before it that nobody was there for.</param>
/// <param name="FirstJobId">The first of its jobs.</param>
/// <param name="BatchId">Its batch, of a schedule of batches.</param>
/// <param name="Lines">Lines of that batch.</param>
/// <param name="Error">Why it failed, where it did.</param>
public sealed record ScheduleRunView(
    string Id,
    [property: JsonPropertyName("object")] string Kind,
    string ScheduleId,
    int Number,
    ScheduleRunState Status,
    long ScheduledFor,
    long StartedAt,
    int Jobs,
    int Refused,
    int Missed,
    string? FirstJobId,
    string? BatchId,
    int Lines,
    string? Error)
{
    public static ScheduleRunView Of(ScheduleRun run) => new(
        run.Id, "schedule.run", run.PartitionKey, run.Number, run.State, run.ScheduledFor.ToUnixTimeSeconds(), run.StartedAt.ToUnixTimeSeconds(),
        run.Jobs, run.Refused, run.Missed, run.FirstJobId, run.BatchId, run.Lines, run.Error);
}
