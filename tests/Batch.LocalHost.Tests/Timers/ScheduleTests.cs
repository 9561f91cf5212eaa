using System.Globalization;
using Batch.LocalHost.Timers;

namespace Batch.LocalHost.Tests.Timers;

public sealed class ScheduleTests
{
    [Theory]
    [InlineData("0 */5 * * * *", "2026-03-01T12:01:00Z", "2026-03-01T12:05:00Z")]
    [InlineData("*/15 * * * * *", "2026-03-01T12:00:00Z", "2026-03-01T12:00:15Z")]
    [InlineData("*/5 * * * *", "2026-03-01T12:01:00Z", "2026-03-01T12:05:00Z")]
    [InlineData("0 30 9 * * Mon-Fri", "2026-02-28T12:00:00Z", "2026-03-02T09:30:00Z")]
    [InlineData("0 0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z")]
    [InlineData("01:30:00", "2026-03-01T12:00:00Z", "2026-03-01T13:30:00Z")]
    public void Next_IsTheFirstOccurrenceAfterTheMoment(string schedule, string moment, string expected) =>
        Assert.Equal(Utc(expected), Schedule.Parse(schedule).Next(Utc(moment)));

    [Fact]
    public void Next_IsNull_WhenTheScheduleNeverOccurs() => Assert.Null(Schedule.Parse("0 0 0 30 2 *").Next(Utc("2026-03-01T00:00:00Z")));

    [Theory]
    [InlineData("")]
    [InlineData("soon")]
    [InlineData("-00:05:00")]
    [InlineData("* * *")]
    [InlineData("0 61 * * * *")]
    public void Parse_Throws_WhenItIsNoSchedule(string schedule) => Assert.ThrowsAny<FormatException>(() => Schedule.Parse(schedule));

    private static DateTimeOffset Utc(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
