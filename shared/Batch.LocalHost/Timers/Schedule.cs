using System.Globalization;
using Cronos;

namespace Batch.LocalHost.Timers;

/// <summary>When a timer fires, in UTC: a cron expression of five fields, of six with seconds first, or a fixed interval written as a TimeSpan.</summary>
internal sealed class Schedule
{
    private readonly CronExpression? _cron;
    private readonly TimeSpan _interval;

    private Schedule(CronExpression? cron, TimeSpan interval)
    {
        _cron = cron;
        _interval = interval;
    }

    /// <exception cref="FormatException">It is none of the three.</exception>
    public static Schedule Parse(string text)
    {
        var fields = text.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Length;
        if (fields > 1)
        {
            return new Schedule(CronExpression.Parse(text, fields == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard), default);
        }

        return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var interval) && interval > TimeSpan.Zero
            ? new Schedule(null, interval)
            : throw new FormatException($"'{text}' is neither a cron expression nor a positive TimeSpan.");
    }

    /// <summary>The first occurrence after <paramref name="moment"/>; null when there is none.</summary>
    public DateTimeOffset? Next(DateTimeOffset moment) =>
        _cron is null ? moment + _interval : _cron.GetNextOccurrence(moment, TimeZoneInfo.Utc);
}
