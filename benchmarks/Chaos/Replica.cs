using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Batch.Benchmarks.Chaos;

/// <summary>A process that runs the functions, started again after each end.</summary>
internal sealed class Replica(string connectionString, string model, string log) : IAsyncDisposable
{
    private readonly Lock _log = new();
    private Process? _process;
    private long _tokens;

    /// <summary>Tokens that ended processes had drawn, as far as they told.</summary>
    private long _before;

    public Uri Address { get; } = new($"http://127.0.0.1:{FreePort()}/");

    /// <summary>Tokens drawn by all of its processes.</summary>
    public long Tokens => _before + Interlocked.Read(ref _tokens);

    public bool IsRunning => _process is { HasExited: false };

    public void Start()
    {
        _process?.Dispose();
        (_before, _tokens) = (_before + _tokens, 0);
        string[] arguments =
        [
            ReplicaCommand.Name, "--", $"--AzureWebJobsStorage={connectionString}", $"--Engine:ModelPath={model}", $"--LocalHost:Port={Address.Port}", "--LocalHost:QueueLock=00:00:05", "--Jobs:LeaseSeconds=5", "--LocalHost:DrainSeconds=1", "--Access:Required=false",
            "--Webhooks:Secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--Webhooks:AllowHttp=true", "--Webhooks:AllowPrivateAddresses=true", "--Logging:LogLevel:Default=Warning", "--Logging:LogLevel:Microsoft.Hosting.Lifetime=Warning", "--Engine:Threads=1",
            "--AzureFunctionsJobHost:extensions:queues:visibilityTimeout=00:00:01", "--AzureFunctionsJobHost:extensions:queues:maxPollingInterval=00:00:00.5",
        ];
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Read(line.Data);
        process.ErrorDataReceived += (_, line) => Read(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _process = process;
    }

    /// <summary>As the kernel ends a process that takes too much memory: nothing of it runs any more.</summary>
    public async Task KillAsync()
    {
        if (_process is { HasExited: false } process)
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    /// <summary>As a scale-in ends it: SIGTERM, and a kill for who takes longer than the grace. Says whether it ended in time.</summary>
    public async Task<bool> TerminateAsync(TimeSpan grace)
    {
        if (_process is not { HasExited: false } process)
        {
            return true;
        }

        using var kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
        using var late = new CancellationTokenSource(grace);
        try
        {
            await process.WaitForExitAsync(late.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            await KillAsync();
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process?.Dispose();
    }

    private void Read(string? line)
    {
        if (line is null)
        {
            return;
        }

        if (line.StartsWith(ReplicaCommand.TokensLine, StringComparison.Ordinal))
        {
            Interlocked.Exchange(ref _tokens, long.Parse(line.AsSpan(ReplicaCommand.TokensLine.Length), CultureInfo.InvariantCulture));
            return;
        }

        lock (_log)
        {
            File.AppendAllText(log, line + "\n");
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
