using System.Text.Json;
using Batch.Jobs.Requests;
using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests.Webhooks;

public sealed class EventFilterTests
{
    [Theory]
    [InlineData("""["*"]""", "batch.completed", true)]
    [InlineData("""["*"]""", "batch.job.failed", true)]
    [InlineData("""["batch.*"]""", "batch.completed", true)]
    [InlineData("""["batch.*"]""", "batch.job.failed", true)]
    [InlineData("""["batch.job.*"]""", "batch.job.failed", true)]
    [InlineData("""["batch.job.*"]""", "batch.failed", false)]
    [InlineData("""["batch.completed"]""", "batch.completed", true)]
    [InlineData("""["batch.completed"]""", "batch.failed", false)]
    [InlineData("""["batch.completed","batch.job.*"]""", "batch.job.cancelled", true)]
    [InlineData("""["batch.completed","batch.job.*"]""", "batch.cancelled", false)]
    [InlineData("\"batch.expired\"", "batch.expired", true)]
    [InlineData("""["batch.webhook_endpoint.*"]""", "batch.webhook_endpoint.disabled", true)]
    public void Matches_TypesAndBeginnings(string events, string type, bool expected) => Assert.Equal(expected, EventFilter.Matches(Read(events), type));

    [Theory]
    [InlineData("[]", "1 to 32 types of events, was 0")]
    [InlineData("""["batch.complete"]""", "was \"batch.complete\"")]
    [InlineData("""["batch.job*"]""", "was \"batch.job*\"")]
    [InlineData("""["*.completed"]""", "was \"*.completed\"")]
    [InlineData("""["batch.completed batch.failed"]""", "was \"batch.completed batch.failed\"")]
    [InlineData("""["jobs.*"]""", "batch.completed, batch.failed")]
    [InlineData("""[1]""", "an array of strings")]
    public void Read_RefusesWhatNoTypeMatches(string events, string said) =>
        Assert.Contains(said, Assert.Throws<InvalidJobException>(() => Read(events)).Message, StringComparison.Ordinal);

    private static string Read(string events)
    {
        using var json = JsonDocument.Parse($$"""{"events":{{events}}}""");
        return EventFilter.Read(json.RootElement.EnumerateObject().Single());
    }
}
