using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Batch.Benchmarks.Chaos;

/// <summary>
/// Stands before a storage emulator under addresses that stay, so that the emulator can go and come back elsewhere, and breaks connections or refuses requests
/// with 503 when asked.
/// </summary>
internal sealed partial class StorageProxy : IAsyncDisposable
{
    private static readonly byte[] Busy = "HTTP/1.1 503 Server Busy\r\nx-ms-error-code: ServerBusy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray();

    private readonly ConcurrentDictionary<Socket, byte> _connections = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, TcpListener> _listeners = [];
    private readonly List<Task> _accepting = [];
    private volatile IReadOnlyDictionary<string, int>? _targets;
    private volatile bool _throttles;
    private int _throttled;

    public StorageProxy(string connectionString)
    {
        foreach (var service in Ports(connectionString).Keys)
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            _listeners[service] = listener;
            _accepting.Add(AcceptAsync(service, listener));
        }

        _targets = Ports(connectionString);
        ConnectionString = Endpoint().Replace(connectionString, match => $"{match.Groups[1].Value}Endpoint=http://127.0.0.1:{((IPEndPoint)_listeners[match.Groups[1].Value].LocalEndpoint).Port}/");
    }

    /// <summary>Of this proxy; the same for its whole life.</summary>
    public string ConnectionString { get; }

    /// <summary>Where connections go from now on; null refuses them.</summary>
    public void Forward(string? connectionString)
    {
        _targets = connectionString is null ? null : Ports(connectionString);
        if (connectionString is null)
        {
            Reset();
        }
    }

    /// <summary>Requests that were refused with 503 so far.</summary>
    public int Throttled => _throttled;

    /// <summary>Whether each request that begins now is refused as a storage account that is too busy refuses it.</summary>
    public void Throttle(bool isOn) => _throttles = isOn;

    /// <summary>Breaks every connection, in the middle of whatever it carries.</summary>
    public int Reset()
    {
        var broken = 0;
        foreach (var socket in _connections.Keys)
        {
            socket.LingerState = new LingerOption(true, 0); // a reset, not an end
            socket.Dispose();
            broken++;
        }

        return broken;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var listener in _listeners.Values)
        {
            listener.Dispose();
        }

        Reset();
        await Task.WhenAll(_accepting);
        _stop.Dispose();
    }

    private async Task AcceptAsync(string service, TcpListener listener)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                _ = CarryAsync(await listener.AcceptSocketAsync(_stop.Token), service);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task CarryAsync(Socket near, string service)
    {
        using var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.NoDelay = true;
        using (near)
        {
            try
            {
                if (_targets is { } targets)
                {
                    _connections[near] = 0;
                    await far.ConnectAsync(IPAddress.Loopback, targets[service], _stop.Token);
                    var isAnswered = new StrongBox<bool>(true); // a request begins where the bytes before were an answer's
                    await Task.WhenAny(PumpAsync(near, far, isAnswered, isAnswer: false), PumpAsync(far, near, isAnswered, isAnswer: true));
                }
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // The other side is gone; so is this connection.
            }
            finally
            {
                _connections.TryRemove(near, out _);
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to, StrongBox<bool> isAnswered, bool isAnswer)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _stop.Token) is > 0 and var read)
            {
                if (_throttles && !isAnswer && isAnswered.Value)
                {
                    Interlocked.Increment(ref _throttled);
                    await from.SendAsync(Busy, _stop.Token);
                    from.Shutdown(SocketShutdown.Send);
                    while (await from.ReceiveAsync(buffer, _stop.Token) > 0)
                    {
                        // The rest of the request is for nobody.
                    }

                    return;
                }

                isAnswered.Value = isAnswer;
                for (var sent = 0; sent < read;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), _stop.Token);
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Broken on purpose, or by an end.
        }
    }

    private static Dictionary<string, int> Ports(string connectionString) =>
        Endpoint().Matches(connectionString).ToDictionary(match => match.Groups[1].Value, match => int.Parse(match.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture));

    [GeneratedRegex("(Blob|Queue|Table)Endpoint=http://127\\.0\\.0\\.1:([0-9]+)/")]
    private static partial Regex Endpoint();
}
