using Azure.Data.Tables;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Batch.LocalHost.Emulator;

namespace Batch.Functions.Tests.Faults;

/// <summary>An account that a test has to itself, empty at its start, so that everything in it must have come from the test.</summary>
public sealed class FaultStorage : IAsyncLifetime
{
    private Azurite? _azurite;

    public string ConnectionString => _azurite!.ConnectionString;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _azurite = await Azurite.StartAsync(dataFolder: null, CancellationToken.None);

    public async ValueTask DisposeAsync() => await _azurite!.DisposeAsync();

    public async Task EmptyAsync()
    {
        var tables = new TableServiceClient(ConnectionString);
        await foreach (var table in tables.QueryAsync(cancellationToken: Cancellation))
        {
            await tables.DeleteTableAsync(table.Name, Cancellation);
        }

        var blobs = new BlobServiceClient(ConnectionString);
        await foreach (var container in blobs.GetBlobContainersAsync(cancellationToken: Cancellation))
        {
            await blobs.DeleteBlobContainerAsync(container.Name, cancellationToken: Cancellation);
        }

        var queues = new QueueServiceClient(ConnectionString);
        await foreach (var queue in queues.GetQueuesAsync(cancellationToken: Cancellation))
        {
            await queues.DeleteQueueAsync(queue.Name, Cancellation);
        }
    }
}
