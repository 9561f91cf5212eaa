using System.Reflection;
using System.Text.Json;
using Azure.Storage.Queues.Models;
using Batch.LocalHost.Queues;

namespace Batch.LocalHost.Tests.Queues;

public sealed class QueueBindingTests
{
    [Fact]
    public void Bind_GivesEachTypeItsViewOfTheMessage()
    {
        Assert.Equal("""{"jobId":"j1"}""", Bind("text", """{"jobId":"j1"}"""));
        Assert.Equal("""{"jobId":"j1"}""", Bind("data", """{"jobId":"j1"}""")!.ToString());
        Assert.Equal(new Job("j1"), Bind("job", """{"jobId":"j1"}"""));
        Assert.IsType<QueueMessage>(Bind("message", "anything"));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("not json")]
    public void Bind_Throws_WhenTheMessageIsNoSuchObject(string body) => Assert.ThrowsAny<JsonException>(() => Bind("job", body));

    private static object? Bind(string parameter, string body) => QueueBinding.Bind(
        typeof(QueueBindingTests).GetMethod(nameof(Views), BindingFlags.NonPublic | BindingFlags.Static)!
            .GetParameters().Single(p => p.Name == parameter),
        QueuesModelFactory.QueueMessage("id", "receipt", BinaryData.FromString(body), 1));

    private static void Views(string text, BinaryData data, Job job, QueueMessage message)
    {
    }

    private sealed record Job(string JobId);
}
