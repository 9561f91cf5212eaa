using Batch.Jobs.Tests;
using Batch.LocalHost.Emulator;

[assembly: AssemblyFixture(typeof(StorageEmulator))]
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Batch.Jobs.Tests;

/// <summary>One Azurite, in memory, for all tests; they share its queues and so run one after the other.</summary>
public sealed class StorageEmulator : IAsyncLifetime
{
    private Azurite? _azurite;

    public string ConnectionString => _azurite!.ConnectionString;

    public async ValueTask InitializeAsync() => _azurite = await Azurite.StartAsync(dataFolder: null, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (_azurite is not null)
        {
            await _azurite.DisposeAsync();
        }
    }
}
