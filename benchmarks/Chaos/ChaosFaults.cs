using Azure.Storage.Queues;
using Batch.LocalHost.Emulator;

namespace Batch.Benchmarks.Chaos;

/// <summary>What is done to the system, one thing after the other, drawn from a seed.</summary>
internal sealed class ChaosFaults(Replica[] replicas, StorageProxy proxy, QueueClient queue, string storageFolder, Random random) : IAsyncDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private Azurite? _storage;

    public int Kills { get; private set; }

    public int Terminations { get; private set; }

    /// <summary>Of them, those that did not end within the grace.</summary>
    public int Late { get; private set; }

    public int StorageStops { get; private set; }

    public int BrokenConnections { get; private set; }

    public int Duplicates { get; private set; }

    /// <summary>Requests to storage that were answered with 503.</summary>
    public int Throttled => proxy.Throttled;

    /// <summary>Jobs whose messages may be doubled.</summary>
    public List<string> Submitted { get; } = [];

    public void Use(Azurite storage) => _storage = storage;

    public async Task GoOnAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(1500, 6000)), CancellationToken.None);
            if (!cancellationToken.IsCancellationRequested)
            {
                await OneAsync();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_storage is not null)
        {
            await _storage.DisposeAsync();
        }
    }

    private async Task OneAsync()
    {
        var replica = replicas[random.Next(replicas.Length)];
        switch (random.Next(22))
        {
            case < 10:
                await replica.KillAsync();
                Kills++;
                replica.Start();
                break;
            case < 13:
                Late += await replica.TerminateAsync(Grace) ? 0 : 1;
                Terminations++;
                replica.Start();
                break;
            case < 15:
                await RestartStorageAsync();
                StorageStops++;
                break;
            case < 18:
                BrokenConnections += proxy.Reset();
                break;
            case < 20:
                proxy.Throttle(true);
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(500, 3000)));
                proxy.Throttle(false);
                break;
            default:
                await DoubleAsync();
                break;
        }
    }

    private async Task RestartStorageAsync()
    {
        proxy.Forward(null);
        await _storage!.DisposeAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(random.Next(500, 4000)));
        _storage = await Azurite.StartAsync(storageFolder, CancellationToken.None);
        proxy.Forward(_storage.ConnectionString);
    }

    // As an at-least-once queue may.
    private async Task DoubleAsync()
    {
        string[] ids;
        lock (Submitted)
        {
            ids = [.. Submitted];
        }

        for (var i = 0; i < 10 && ids.Length > 0; i++)
        {
            await queue.SendMessageAsync($$"""{"jobId":"{{ids[random.Next(ids.Length)]}}","tenant":"default"}""");
            Duplicates++;
        }
    }
}
