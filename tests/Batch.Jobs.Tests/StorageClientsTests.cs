using Batch.Jobs.Storage;
using Microsoft.Extensions.Configuration;

namespace Batch.Jobs.Tests;

public sealed class StorageClientsTests
{
    [Fact]
    public void FromConfiguration_ReachesTheAccountWithoutAKey_WhenItsNameIsGiven()
    {
        var clients = From(("AzureWebJobsStorage:accountName", "acct"), ("AzureWebJobsStorage:credential", "managedidentity"), ("AzureWebJobsStorage:clientId", "id"));

        Assert.Equal("https://acct.table.core.windows.net/", clients.Tables.Uri.AbsoluteUri);
        Assert.Equal("https://acct.blob.core.windows.net/", clients.Blobs.Uri.AbsoluteUri);
        Assert.Equal("https://acct.queue.core.windows.net/", clients.Queues.Uri.AbsoluteUri);
    }

    [Fact]
    public void FromConfiguration_TakesEachServicesAddress_WhenItIsGiven()
    {
        var clients = From(
            ("AzureWebJobsStorage:blobServiceUri", "https://b.example/"), ("AzureWebJobsStorage:queueServiceUri", "https://q.example/"), ("AzureWebJobsStorage:tableServiceUri", "https://t.example/"));

        Assert.Equal(("b.example", "q.example", "t.example"), (clients.Blobs.Uri.Host, clients.Queues.Uri.Host, clients.Tables.Uri.Host));
    }

    [Fact]
    public void FromConfiguration_SaysWhichSettingIsMissing() =>
        Assert.Contains("AzureWebJobsStorage__accountName", Assert.Throws<InvalidOperationException>(() => From()).Message, StringComparison.Ordinal);

    private static StorageClients From(params (string Key, string Value)[] settings) =>
        StorageClients.FromConfiguration(new ConfigurationBuilder().AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value)).Build());
}
