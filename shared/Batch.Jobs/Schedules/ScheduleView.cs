using System.Text.Json;
using System.Text.Json.Serialization;

namespace Batch.Jobs.Schedules;

/// <summary>A schedule as its owner sees it, with the next times it will run.</summary>
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
