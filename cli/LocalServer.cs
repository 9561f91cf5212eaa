using System.Security.Cryptography;
using Batch.Jobs.Access;
using Batch.Jobs.ModelFiles;
using Batch.LocalHost.Emulator;
using Batch.LocalHost.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Batch.Cli;

/// <summary>Azurite and the functions on this machine, started together and stopped together.</summary>
internal sealed class LocalServer : IAsyncDisposable
{
    private readonly Azurite _storage;
    private readonly IHost _host;

    private LocalServer(Azurite storage, IHost host, string apiKey) => (_storage, _host, ApiKey) = (storage, host, apiKey);

    /// <summary>A key of tenant default with every scope, kept in the data folder.</summary>
    public string ApiKey { get; }

    public Uri Url => _host.GetHttpAddress();

    public string StorageConnection => _storage.ConnectionString;

    /// <param name="dataFolder">Holds everything that must survive: queues, tables, blobs, the webhook secret and key, the API key.</param>
    /// <param name="port">0 takes a free one.</param>
    /// <param name="settings">Settings of the functions, Name=Value; they win over all others.</param>
    /// <param name="log">Told what takes long.</param>
    public static async Task<LocalServer> StartAsync(string dataFolder, string model, int port, IEnumerable<string> settings, Action<string> log, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(dataFolder);
        var storage = await Azurite.StartAsync(Path.Combine(dataFolder, "azurite"), log, cancellationToken);
        IHost? host = null;
        try
        {
            string[] arguments =
            [
                $"--AzureWebJobsStorage={storage.ConnectionString}",
                $"--Engine:ModelPath={(BlobModel.IsAddress(model) ? model : Path.GetFullPath(model))}",
                $"--LocalHost:Port={port}",
                "--LocalHost:QueueLock=00:00:20", // after a kill the next start has no other host to wait for
                $"--Webhooks:Secret={ReadOrDraw(dataFolder, "webhook-secret", "whsec_")}",
                $"--Webhooks:EncryptionKey={ReadOrDraw(dataFolder, "webhook-encryption-key", "")}",
                "--Webhooks:AllowHttp=true",
                "--Webhooks:AllowPrivateAddresses=true",
                .. settings.Select(s => $"--{s}"),
            ];
            host = Functions.Program.BuildHost(arguments);
            await host.StartAsync(cancellationToken);
            var key = DevelopmentKey.ReadOrDraw(dataFolder);
            await host.Services.GetRequiredService<ApiKeyStore>().AddAsync(
                key, Caller.DefaultTenant, ApiScopes.Admin, "development", expiresAt: null, cancellationToken);
            return new LocalServer(storage, host, key);
        }
        catch
        {
            host?.Dispose();
            await storage.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until the model is loaded. A model that cannot be loaded ends the wait with its reason.</summary>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        var engines = (Jobs.EngineHost)_host.Services.GetService(typeof(Jobs.EngineHost))!;
        var loaded = engines.GetAsync(cancellationToken);
        while (await Task.WhenAny(loaded, Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken)) != loaded)
        {
            if (engines.LoadFailure is { } reason)
            {
                throw new InvalidOperationException(reason);
            }
        }
        await loaded;
    }

    public Task WaitForShutdownAsync(CancellationToken cancellationToken) => _host.WaitForShutdownAsync(cancellationToken);

    /// <summary>Lets running jobs finish or hands them back, then stops the storage.</summary>
    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync(CancellationToken.None);
        await ((IAsyncDisposable)_host).DisposeAsync();
        await _storage.DisposeAsync();
    }

    // Drawn once for a data folder, so that receivers can keep the one and storage what the other encrypted.
    private static string ReadOrDraw(string dataFolder, string name, string prefix)
    {
        var file = Path.Combine(dataFolder, name);
        if (!File.Exists(file))
        {
            File.WriteAllText(file, prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        }
        return File.ReadAllText(file).Trim();
    }
}
