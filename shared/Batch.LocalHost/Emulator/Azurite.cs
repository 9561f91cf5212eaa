using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Batch.LocalHost.Emulator;

/// <summary>
/// Azure Storage on this machine: one Azurite process on free loopback ports, installed on first use. It ends when this is disposed
/// and also when this process dies in any other way, since it watches its standard input.
/// </summary>
public sealed partial class Azurite : IAsyncDisposable
{
    private const string Account = "devstoreaccount1";

    // The account and key that every Azurite has; published, and no secret.
    private const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    // Longer than a client keeps an idle connection, a minute: a request sent on one that the server is just closing would be reset.
    private const string SecondsToKeepConnections = "120";

    private static readonly TimeSpan TimeToStart = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan TimeToStop = TimeSpan.FromSeconds(10);

    private readonly Process _process;
    private readonly AzuriteFolder? _folder;

    private Azurite(Process process, AzuriteFolder? folder, string connectionString)
    {
        _process = process;
        _folder = folder;
        ConnectionString = connectionString;
    }

    public string ConnectionString { get; }

    internal int ProcessId => _process.Id;

    /// <summary>Starts Azurite and waits until its three services listen.</summary>
    /// <param name="dataFolder">Where it keeps its data, one process at a time; in memory when null.</param>
    /// <param name="log">Told when the start takes long for a reason, such as an installation.</param>
    /// <param name="cancellationToken">Gives up the start.</param>
    /// <exception cref="InvalidOperationException">Node.js is missing, the folder is in use, or Azurite stopped; the message says which.</exception>
    public static async Task<Azurite> StartAsync(string? dataFolder, Action<string>? log = null, CancellationToken cancellationToken = default)
    {
        var program = await AzuriteInstallation.FindOrInstallAsync(log, cancellationToken);
        var folder = dataFolder is null ? null : await AzuriteFolder.OpenAsync(dataFolder, cancellationToken);
        Process? process = null;
        try
        {
            process = Launch(program, folder, []);
            folder?.HeldBy(process);
            return new Azurite(process, folder, await ReadConnectionStringAsync(process, cancellationToken));
        }
        catch
        {
            await StopAsync(process, folder);
            throw;
        }
    }

    /// <summary>
    /// In memory, over https with a certificate and its key as PEM files, for clients with an identity: any token is taken whose audience,
    /// issuer and times look right, whoever signed it.
    /// </summary>
    public static async Task<Azurite> StartSecureAsync(string certificate, string key, CancellationToken cancellationToken)
    {
        var process = Launch(
            await AzuriteInstallation.FindOrInstallForIdentitiesAsync(cancellationToken), folder: null, ["--oauth", "basic", "--cert", certificate, "--key", key]);
        try
        {
            return new Azurite(process, folder: null, await ReadConnectionStringAsync(process, cancellationToken));
        }
        catch
        {
            await StopAsync(process, folder: null);
            throw;
        }
    }

    public static Task<Azurite> StartAsync(string? dataFolder, CancellationToken cancellationToken) =>
        StartAsync(dataFolder, log: null, cancellationToken);

    public async ValueTask DisposeAsync() => await StopAsync(_process, _folder);

    private static Process Launch(string program, AzuriteFolder? folder, string[] more)
    {
        using var script = new StreamReader(typeof(Azurite).Assembly.GetManifestResourceStream("azurite-child.cjs")!);
        string[] arguments =
        [
            "-e", script.ReadToEnd(), "--", program,
            "--blobPort", "0", "--queuePort", "0", "--tablePort", "0", "--skipApiVersionCheck", "--silent", "--disableTelemetry",
            "--blobKeepAliveTimeout", SecondsToKeepConnections, "--queueKeepAliveTimeout", SecondsToKeepConnections,
            "--tableKeepAliveTimeout", SecondsToKeepConnections,
        ];
        string[] persistence = folder is null ? ["--inMemoryPersistence"] : ["--location", folder.Path];
        return NodeProcess.Start("node", [.. arguments, .. persistence, .. more]);
    }

    private static async Task<string> ReadConnectionStringAsync(Process process, CancellationToken cancellationToken)
    {
        var addresses = new Dictionary<string, string>();
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(TimeToStart);
        try
        {
            while (addresses.Count < 3)
            {
                var line = await process.StandardOutput.ReadLineAsync(late.Token)
                    ?? throw new InvalidOperationException($"Azurite stopped before it was ready: {await errors}");
                if (Listening().Match(line) is { Success: true } match)
                {
                    addresses[match.Groups[1].Value] = match.Groups[2].Value;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InvalidOperationException($"Azurite was not ready after {TimeToStart.TotalSeconds:F0} s.");
        }

        // What it goes on to write must be read, or it would block on a full pipe.
        _ = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var endpoints = addresses.Select(service => $"{service.Key}Endpoint={service.Value}/{Account};");
        return $"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={Key};{string.Concat(endpoints)}";
    }

    private static async Task StopAsync(Process? process, AzuriteFolder? folder)
    {
        using (folder)
        using (process)
        {
            if (process is null)
            {
                return;
            }

            process.StandardInput.Close();
            using var late = new CancellationTokenSource(TimeToStop);
            try
            {
                await process.WaitForExitAsync(late.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    [GeneratedRegex(@"^Azurite (\w+) service is successfully listening at (\S+)$")]
    private static partial Regex Listening();
}
