using Azure.Storage.Queues;
using Batch.LocalHost.Queues;
using Microsoft.Extensions.Configuration;

namespace Batch.LocalHost.Tests.Queues;

public sealed class QueueConnectionTests
{
    private const string ConnectionString = "AccountName=acme;AccountKey=a2V5;QueueEndpoint=https://acme.example/";

    [Theory]
    [InlineData(null, "AzureWebJobsStorage=" + ConnectionString, "https://acme.example/")]
    [InlineData("Other", "Other=" + ConnectionString, "https://acme.example/")]
    [InlineData("Other", "AzureWebJobsOther=" + ConnectionString, "https://acme.example/")]
    [InlineData(null, "AzureWebJobsStorage:queueServiceUri=https://queues.example/", "https://queues.example/")]
    [InlineData(null, "AzureWebJobsStorage:accountName=acme", "https://acme.queue.core.windows.net/")]
    public void Connect_ReachesTheAccount_ByEachShapeOfSettings(string? name, string setting, string expected)
    {
        var settings = new ConfigurationBuilder().AddCommandLine([$"--{setting}"]).Build();

        Assert.Equal(new Uri(expected), QueueConnection.Connect(settings, name, new QueueClientOptions()).Uri);
    }
}
