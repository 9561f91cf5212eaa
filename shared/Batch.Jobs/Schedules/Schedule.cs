using System.Globalization;
using System.Runtime.Serialization;
using Azure;
using Azure.Data.Tables;

namespace Batch.Jobs.Schedules;

/// <summary>What becomes of ticks that nobody was there for.</summary>
public enum MisfirePolicy
{
    /// <summary>They are noted as skipped.</summary>
    Skip,

    /// <summary>The latest of them runs, once.</summary>
    CatchUpOnce,
}

/// <summary>One schedule's row in table <c>schedules</c>, in its tenant's partition: what to submit, when, and the next time.</summary>
public sealed record Schedule : ITableEntity
{
    /// <summary>The tenant.</summary>
    public string PartitionKey { get; set; } = "";

    /// <summary>The schedule's id.</summary>
    public string RowKey { get; set; } = "";
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    /// <summary>The definition as JSON, as <see cref="ScheduleDefinition.Parse"/> reads it.</summary>
    public string Definition { get; set; } = "";
    public DateTimeOffset CreatedAt { get; set; }
    public bool Paused { get; set; }

    /// <summary>The tick to run next; null where the cron expression has none left.</summary>
    public DateTimeOffset? NextRunAt { get; set; }
    public DateTimeOffset? LastRunAt { get; set; }

    /// <summary>Runs that began, by time or by hand: the counter that templates see.</summary>
    public int Runs { get; set; }

    /// <summary>Until then one replica works on a run; what is left of a replica that died counts no longer.</summary>
    public DateTimeOffset? ClaimedUntil { get; set; }

    [IgnoreDataMember]
    public string Tenant => PartitionKey;

    [IgnoreDataMember]
    public string Id => RowKey;
}

/// <summary>One run of a schedule, in table <c>scheduleruns</c>: partition the schedule's id, rows newest first.</summary>
public sealed record ScheduleRun : ITableEntity
{
    public string PartitionKey { get; set; } = "";
    public string RowKey { get; set; } = "";
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    public string Id { get; set; } = "";
    public DateTimeOffset ScheduledFor { get; set; }
    public DateTimeOffset StartedAt { get; set; }
    public int Number { get; set; }
    public ScheduleRunState State { get; set; }

    /// <summary>Jobs that exist because of this run.</summary>
    public int Jobs { get; set; }

    /// <summary>The batch that this run made, with so many lines.</summary>
    public string? BatchId { get; set; }
    public int Lines { get; set; }

    /// <summary>Rows that made no job or line, and why the first of them did not.</summary>
    public int Refused { get; set; }
    public string? FirstJobId { get; set; }
    public string? Error { get; set; }

    /// <summary>Ticks that were missed before this one.</summary>
    public int Missed { get; set; }

    /// <summary>Row keys sort newest first.</summary>
    public static string RowKeyOf(DateTimeOffset scheduledFor, string id) => $"{DateTimeOffset.MaxValue.UtcTicks - scheduledFor.UtcTicks:D19}-{id}";

    /// <summary>What <see cref="RowKeyOf"/> made a row key of.</summary>
    public static (DateTimeOffset ScheduledFor, string Id) Read(string rowKey) =>
        (new(DateTimeOffset.MaxValue.UtcTicks - long.Parse(rowKey[..19], CultureInfo.InvariantCulture), TimeSpan.Zero), rowKey[20..]);
}

public enum ScheduleRunState
{
    /// <summary>Its jobs, or its batch, were handed in; each goes its own way from there.</summary>
    Submitted,

    /// <summary>Nothing came of it; the error says why.</summary>
    Failed,

    /// <summary>Nobody was there at its time, and the policy is to let it be.</summary>
    Skipped,
}
