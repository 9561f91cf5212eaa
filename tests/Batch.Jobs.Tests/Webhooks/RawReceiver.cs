using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Batch.Jobs.Tests.Webhooks;

/// <summary>A receiver on a socket of this machine, which answers each request with the bytes that the test says, or in no way at all.</summary>
internal sealed class RawReceiver : IAsyncDisposable
{
    public const string Ok = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Func<ReceivedRequest, Stream, Task> _answer;
    private readonly Task _running;

    public RawReceiver(Func<ReceivedRequest, Stream, Task> answer)
    {
        _answer = answer;
        _listener.Start();
        _running = RunAsync();
    }

    public RawReceiver(Func<ReceivedRequest, string> answer)
        : this((request, stream) => WriteAsync(stream, answer(request)))
    {
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/hook";

    public ConcurrentQueue<ReceivedRequest> Requests { get; } = [];

    /// <summary>Ends when the receiver is disposed: for answers that never come.</summary>
    public Task Never => Task.Delay(Timeout.Infinite, _stopping.Token);

    public static Task WriteAsync(Stream stream, string text) => stream.WriteAsync(Encoding.ASCII.GetBytes(text)).AsTask();

    public static string Status(int status, string headers = "") => $"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n";

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await _running;
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                open.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stopping.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using (client)
            {
                var stream = client.GetStream();
                var request = await ReadAsync(stream);
                Requests.Enqueue(request);
                await _answer(request, stream);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The sender hung up, or the test is over.
        }
    }

    private async Task<ReceivedRequest> ReadAsync(Stream stream)
    {
        var (bytes, buffer) = (new List<byte>(), new byte[8192]);
        while (true)
        {
            var read = await stream.ReadAsync(buffer, _stopping.Token);
            bytes.AddRange(buffer.AsSpan(0, read));
            var text = Encoding.UTF8.GetString([.. bytes]);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end < 0 && read > 0)
            {
                continue;
            }

            var headers = text[..Math.Max(end, 0)].Split("\r\n").Skip(1).Select(line => line.Split(": ", 2)).ToDictionary(h => h[0], h => h[1], StringComparer.OrdinalIgnoreCase);
            var length = headers.TryGetValue("Content-Length", out var given) ? int.Parse(given, CultureInfo.InvariantCulture) : 0;
            if (read == 0 || bytes.Count >= Encoding.UTF8.GetByteCount(text[..end]) + 4 + length)
            {
                return new ReceivedRequest(headers, text[(end + 4)..]);
            }
        }
    }
}

internal sealed record ReceivedRequest(IReadOnlyDictionary<string, string> Headers, string Body)
{
    public string Id => Headers["webhook-id"];
}
