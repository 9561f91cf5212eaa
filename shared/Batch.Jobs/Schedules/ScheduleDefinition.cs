using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Jobs.Requests;
using Cronos;

namespace Batch.Jobs.Schedules;

/// <summary>What a schedule's owner defines, checked. It has a <see cref="Job"/> or a <see cref="Batch"/>, whose strings are templates.</summary>
public sealed record ScheduleDefinition
{
    /// <summary>For people.</summary>
    public string? Name { get; init; }

    /// <summary>Five fields, or six with seconds, as Cronos reads them; @daily and the like too.</summary>
    public string Cron { get; init; } = "";

    /// <summary>An IANA name, such as Asia/Shanghai. Ticks follow its daylight saving time as Cronos documents.</summary>
    public string TimeZone { get; init; } = "UTC";

    /// <summary>What becomes of a tick that nobody was there for within five minutes.</summary>
    public MisfirePolicy Misfire { get; init; }

    /// <summary>What <c>POST /v1/jobs</c> takes: a job for each row.</summary>
    public JsonObject? Job { get; init; }

    /// <summary>What <c>POST /v1/batches</c> takes but for the input, and the lines' <c>custom_id</c> and <c>body</c>: a line for each row.</summary>
    public JsonObject? Batch { get; init; }

    /// <summary>Told of the end of every job, or of the batch, unless these name another.</summary>
    public string? WebhookUrl { get; init; }

    /// <summary><c>container/name</c> of a blob of CSV (.csv, with a header) or JSON lines: each row makes a job, or a line.</summary>
    public string? RowsBlob { get; init; }

    /// <summary>What templates see as <c>vars</c>.</summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new SortedDictionary<string, string>(StringComparer.Ordinal);

    public static ScheduleDefinition Parse(JsonElement root)
    {
        var definition = JsonField.Fields(root).Aggregate(new ScheduleDefinition(), (made, field) => field.Name switch
        {
            "name" => made with { Name = JsonField.Text(field, 128) },
            "cron" => made with { Cron = JsonField.Text(field, 128) },
            "time_zone" => made with { TimeZone = JsonField.Text(field, 64) },
            "misfire" => made with { Misfire = Policy(field) },
            "job" => made with { Job = Template(field, "an object, as POST /v1/jobs takes it") },
            "batch" => made with { Batch = Template(field, "an object of endpoint, completion_window, body and what else POST /v1/batches takes") },
            "webhook_url" => made with { WebhookUrl = JsonField.WebAddress(field) },
            "rows_blob" => made with { RowsBlob = JsonField.Text(field, 1024) },
            "variables" => made with { Variables = JsonField.Metadata(field) },
            _ => throw JsonField.Unknown(field),
        });
        return definition.Checked();
    }

    /// <summary>The first tick after a time; null where there is none, such as on 31 February.</summary>
    public DateTimeOffset? NextAfter(DateTimeOffset time) => Expression(Cron).GetNextOccurrence(time, Zone(TimeZone))?.ToUniversalTime();

    public TimeZoneInfo FindZone() => Zone(TimeZone);

    private ScheduleDefinition Checked()
    {
        if (Cron.Length == 0 || Job is null == Batch is null)
        {
            throw Cron.Length == 0
                ? new InvalidJobException(JobErrorCode.InvalidRequest, "cron is missing: a schedule needs cron, and job or batch", "cron")
                : new InvalidJobException(JobErrorCode.InvalidRequest, $"a schedule needs one of job and batch, saw {(Job is null ? "neither" : "both")}", "job");
        }

        if (Batch is not null && (Batch["body"] is not JsonObject || Batch.ContainsKey("input_file_id") || Batch.ContainsKey("input_blob")))
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, "batch must have body, an object, and no input: every run makes its input, a line for each row of rows_blob", "batch");
        }

        if (Job?.FirstOrDefault(field => field.Key is "id" or "tenant") is { Key: { } owned })
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"job.{owned} must be left out: every run makes jobs with ids of their own, for the tenant of the API key", "job");
        }

        Expression(Cron);
        Zone(TimeZone);
        ScheduleTemplate.Compile(Job ?? Batch!, Job is null ? "batch" : "job");
        return this;
    }

    private static CronExpression Expression(string cron)
    {
        try
        {
            var fields = cron.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
            return CronExpression.Parse(cron, fields == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard);
        }
        catch (Exception e) when (e is CronFormatException or MissingSeedException)
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"cron must be five fields (minute hour day month weekday), or six with seconds first; {JsonField.Quote(cron)}: {e.Message}", "cron");
        }
    }

    private static TimeZoneInfo Zone(string name) => TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone)
        ? zone
        : throw new InvalidJobException(
            JobErrorCode.InvalidRequest, $"time_zone must be an IANA name such as Asia/Shanghai or Europe/Berlin, was {JsonField.Quote(name)}", "time_zone");

    private static MisfirePolicy Policy(JsonProperty field) => JsonField.Text(field, 32) switch
    {
        "skip" => MisfirePolicy.Skip,
        "catch_up_once" => MisfirePolicy.CatchUpOnce,
        var other => throw JsonField.Wrong(field, "skip or catch_up_once", JsonField.Quote(other)),
    };

    private static JsonObject Template(JsonProperty field, string wanted) => field.Value.ValueKind == JsonValueKind.Object
        ? JsonObject.Create(field.Value.Clone())!
        : throw JsonField.Wrong(field, wanted);
}
