using Azure.Storage.Queues;
using Batch.LocalHost.Emulator;

[assembly: AssemblyFixture(typeof(Batch.LocalHost.Tests.AzuriteFixture))]

namespace Batch.LocalHost.Tests;

/// <summary>The one Azurite that all tests share; each test uses queues of its own.</summary>
public sealed class AzuriteFixture : IAsyncLifetime
{
    private Azurite? _azurite;

    public string ConnectionString => _azurite!.ConnectionString;

    public async ValueTask InitializeAsync() => _azurite = await Azurite.StartAsync(dataFolder: null, CancellationToken.None);

    public ValueTask DisposeAsync() => _azurite!.DisposeAsync();

    public QueueClient Queue(string name, QueueMessageEncoding encoding = QueueMessageEncoding.Base64) =>
        new(ConnectionString, name, new QueueClientOptions { MessageEncoding = encoding });
}
